"""What the commands have in common that read and write rows, with or without a server."""

import os
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from openhands_site import health, startup


class DatabaseCommand(BaseCommand):
    """A command that needs the database as this code knows it: a new one is made ready, as `up` does it; an older
    one is left to its operator, for servers may be running on it. What is written is for us alone, as in `up`."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        before = os.umask(0o077)
        try:
            _prepare()
            return super().execute(*args, **options)
        finally:
            os.umask(before)


def _prepare() -> None:
    with startup.answering_database():
        due = health.pending_migrations()
        is_new = bool(due) and not health.applied_migrations()
    if is_new:
        startup.prepare_database()
    elif due:
        raise CommandError(
            f"{due} migrations of the database are due; run `.venv/bin/python manage.py migrate` (`make run` does it)."
        )
