"""What keeps us from serving, in words for whoever asked: the database away or held by another, the disk full.

Only what passes is an outage. A missing table or a wrong query is a defect, though SQLite gives both one class.
"""

import errno
import sqlite3
from dataclasses import dataclass

from django.db import InterfaceError, OperationalError


@dataclass(frozen=True)
class Outage:
    """`code` is for programs; `message` says in one sentence what is wrong; `retry_after` is in seconds."""

    code: str
    status: int
    heading: str
    message: str
    retry_after: int

    @property
    def advice(self) -> str:
        """The message, and what to do. That nothing is lost holds for all of them: what fails is rolled back."""
        return f"{self.message} Nothing that was stored is lost; send it again in a moment."


AWAY = Outage("unavailable", 503, "Back in a moment", "The server cannot reach its database just now.", 5)
BUSY = Outage("unavailable", 503, "Busy for a moment", "The database of the server is busy just now.", 5)
FULL = Outage(
    "disk_full",
    507,
    "The disk is full",
    "The disk of the server is full; its operator has to make space.",
    30,
)

_SQLITE = {
    sqlite3.SQLITE_BUSY: BUSY,
    sqlite3.SQLITE_LOCKED: BUSY,
    sqlite3.SQLITE_PROTOCOL: BUSY,
    sqlite3.SQLITE_FULL: FULL,
    sqlite3.SQLITE_IOERR: AWAY,
    sqlite3.SQLITE_CANTOPEN: AWAY,
    sqlite3.SQLITE_READONLY: AWAY,
}
# Where SQLite only says that the disk failed, these say that it was for want of room.
_SQLITE_FULL = {sqlite3.SQLITE_IOERR_SHMSIZE}
_POSTGRESQL = {"53100": FULL, "55P03": BUSY}  # disk_full, lock_not_available
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}


def of(error: BaseException | None) -> Outage | None:
    """The outage that the error, or one that led to it, tells of; None where it is another kind of error."""
    while error is not None:
        if found := _own(error):
            return found
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None


def _own(error: BaseException) -> Outage | None:
    if isinstance(error, OSError):
        return FULL if error.errno in _NO_ROOM else None
    if not isinstance(error, OperationalError | InterfaceError):
        return None
    driver = error.__cause__
    if isinstance(driver, sqlite3.Error):
        code = getattr(driver, "sqlite_errorcode", None)
        if code is None:
            return None
        return FULL if code in _SQLITE_FULL else _SQLITE.get(code & 0xFF)
    return _POSTGRESQL.get(getattr(driver, "sqlstate", None) or "", AWAY)
