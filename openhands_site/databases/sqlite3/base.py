"""SQLite, whose failed transactions leave nothing behind for another thread to trip over; and what the other backend
does to be asked less often, done one after the other."""

from typing import Any

from django.db.backends.sqlite3 import base


class DatabaseWrapper(base.DatabaseWrapper):
    def _start_transaction_under_autocommit(self) -> None:
        """Django leaves the cursor open. Where somebody else holds the lock, the error keeps it alive until any thread
        collects garbage; that thread then waits for this connection with the interpreter in its hand, and while
        this one waits for the lock again, the whole process stands still."""
        with self.cursor() as cursor:
            cursor.execute(f"BEGIN {self.transaction_mode}")  # type: ignore[attr-defined]

    def send_later(self, sql: str, parameters: Any) -> None:
        """Now, for SQLite is asked without a way there and back."""
        with self.cursor() as cursor:
            cursor.execute(sql, parameters)

    def fetch_each(self, statements: list[tuple[str, Any]]) -> list[list[tuple[Any, ...]]]:
        """The rows of each, one after the other."""
        found = []
        with self.cursor() as cursor:
            for sql, parameters in statements:
                cursor.execute(sql, parameters)
                found.append(list(cursor.fetchall()))
        return found
