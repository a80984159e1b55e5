"""Giving the database connection back before a wait."""

from django.db import connection


def release_connection() -> None:
    """Hands this thread's connection back to the pool before a network wait; does nothing inside `atomic`.

    On SQLite an idle connection costs and blocks nothing, and opening one anew does: it is kept.
    """
    if connection.in_atomic_block or connection.vendor == "sqlite":
        return
    connection.close()
