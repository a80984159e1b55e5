"""PostgreSQL, asked less often: each question is a way there and back, and as many turns for the interpreter.

BEGIN waits for the statement after it, and what nobody asks the result of (`send_later`) for the next one or for COMMIT;
together they are one message of PostgreSQL's simple query protocol, which may hold several statements. A transaction
that locks a row, inserts and updates is 2 messages in place of 5. Reads that belong together are one (`fetch_each`).
"""

# What a backend is made of is not in the stubs.
# mypy: disable-error-code="misc, attr-defined"
import time
from typing import Any

from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool

# A connection that worked so short a while ago is taken for whole. After a restart of the server such a one fails once.
TRUSTED_SECONDS = 0.1


class Cursor(base.Cursor):
    """Sends along what waits. `waiting` is its connection's; one that Django did not make has none."""

    waiting: list[str] | None = None

    def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        if not self.waiting:
            return super().execute(query, params, **options)
        statements = [*self.waiting, self.mogrify(query, params)]
        self.waiting.clear()
        super().execute("; ".join(statements))
        while self.nextset():
            pass  # the last result is the statement's own
        return self

    def executemany(self, query: Any, params_seq: Any, **options: Any) -> None:
        if self.waiting:
            self.execute("SELECT")  # it sends many in a way of its own
        super().executemany(query, params_seq, **options)


class DatabaseWrapper(base.DatabaseWrapper):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: list[str] = []

    def send_later(self, sql: str, parameters: Any) -> None:
        """With the next statement, at the latest with COMMIT, which then raises what is wrong with it."""
        if self.in_atomic_block:
            self.ensure_connection()
            self.validate_no_broken_transaction()
            self._waiting.append(self._filled(sql, parameters))
        else:
            with self.cursor() as cursor:
                cursor.execute(sql, parameters)

    def fetch_each(self, statements: list[tuple[str, Any]]) -> list[list[tuple[Any, ...]]]:
        """The rows of each, asked in one message."""
        self.ensure_connection()
        self._send_waiting()
        with self.cursor() as cursor:
            cursor.execute("; ".join(self._filled(*statement) for statement in statements))
            found = [cursor.fetchall()]
            while cursor.nextset():
                found.append(cursor.fetchall())
        return found

    def _filled(self, sql: str, parameters: Any) -> str:
        with self.wrap_database_errors:
            return str(self.connection.cursor().mogrify(sql, parameters))

    @property
    def pool(self) -> Any:
        pool = super().pool
        if pool is not None and pool._check:
            pool._check = _check_what_has_rested
        return pool

    def get_connection_params(self) -> dict[str, Any]:
        return {**super().get_connection_params(), "cursor_factory": Cursor}

    def create_cursor(self, name: str | None = None) -> Any:
        if name:
            self._send_waiting()
        cursor = super().create_cursor(name)
        cursor.waiting = self._waiting
        return cursor

    def _start_transaction_under_autocommit(self) -> None:
        self._waiting.append("BEGIN")

    def _commit(self) -> None:
        if self._waiting == ["BEGIN"]:
            self._waiting.clear()
        elif self._waiting:
            self._send_waiting("COMMIT")
        super()._commit()  # where nothing waited; else the driver sees that it is done

    def _rollback(self) -> None:
        self._waiting.clear()
        super()._rollback()

    def _savepoint_rollback(self, sid: str) -> None:
        self._waiting.clear()  # all of it came after the savepoint, which was sent
        super()._savepoint_rollback(sid)

    def _close(self) -> None:
        self._waiting.clear()
        if self.connection is not None:
            self.connection.put_back_at = time.monotonic()
        super()._close()

    def _send_waiting(self, *more: str) -> None:
        statements = [*self._waiting, *more]
        self._waiting.clear()
        if statements:
            with self.wrap_database_errors:
                self.connection.execute("; ".join(statements))


def _check_what_has_rested(connection: Any) -> None:
    if time.monotonic() - getattr(connection, "put_back_at", 0.0) > TRUSTED_SECONDS:
        ConnectionPool.check_connection(connection)
