"""The database connection: giving it back before a wait, and how long to wait for it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from django.db import DatabaseError, OperationalError, connection, connections

# A person waits so long for a lock or a connection and is then told, rather than left before a page that does not
# come; the sockets' clients take a connection for dead after 8 s. A worker has nobody before it: it waits longer.
WEB_PATIENCE_SECONDS = 5


def release_connection() -> None:
    """Hands this thread's connection back to the pool before a network wait; does nothing inside `atomic`.

    On SQLite an idle connection costs and blocks nothing, and opening one anew does: it is kept.
    """
    if connection.in_atomic_block or connection.vendor == "sqlite":
        return
    connection.close()


def hold_open() -> None:
    """Keeps this thread's connection to SQLite for as long as the process lives.

    When the last connection goes, SQLite removes the files beside the database that the next one needs; with the
    disk full that one could not make them again, and nobody could even read.
    """
    if connection.vendor == "sqlite":
        with suppress(OperationalError), connection.cursor() as cursor:  # requests will tell of it
            cursor.execute("SELECT 1 FROM sqlite_master")


def wait_at_most(seconds: int) -> None:
    """For this process, and to be called before its first connection: the patience with locks and with the pool."""
    options = connections.settings["default"]["OPTIONS"]
    if connection.vendor == "sqlite":
        options["timeout"] = seconds
    else:
        options["pool"]["timeout"] = seconds
        options["options"] = f"{options.get('options', '')} -c lock_timeout={seconds}s".strip()


@contextmanager
def without_waiting() -> Iterator[None]:
    """In here a write that finds SQLite locked fails at once: for what is not worth anybody's time."""
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    patience = int(connection.settings_dict["OPTIONS"]["timeout"] * 1000)
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {patience}")


def forget_rows(error: BaseException | None) -> None:
    """Cuts what the database said in the error, or in one that led to it, to the first line.

    PostgreSQL repeats in the next ones what it could not take: `DETAIL:  Failing row contains (…)`. A person's words
    belong into no log, and into no message about a defect of ours.
    """
    while error is not None:
        if isinstance(error, DatabaseError):
            for said in filter(None, (error, error.__cause__)):  # Django's error and the driver's
                said.args = (str(said).partition("\n")[0],)
        error = error.__cause__ or error.__context__
