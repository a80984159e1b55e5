import errno
import sqlite3

import psycopg
import pytest
from django.contrib.sessions.exceptions import SessionInterrupted
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from openhands_site import outages
from openhands_site.outages import AWAY, BUSY, FULL, Outage


def wrapped(driver: Exception) -> OperationalError:
    """As Django raises what a driver raised."""
    error = OperationalError(str(driver))
    error.__cause__ = driver
    return error


def of_sqlite(code: int) -> OperationalError:
    driver = sqlite3.OperationalError("as SQLite says it")
    driver.sqlite_errorcode = code
    return wrapped(driver)


@pytest.mark.parametrize(
    "error, outage",
    [
        (of_sqlite(sqlite3.SQLITE_BUSY), BUSY),
        (of_sqlite(sqlite3.SQLITE_BUSY_SNAPSHOT), BUSY),
        (of_sqlite(sqlite3.SQLITE_FULL), FULL),
        (of_sqlite(sqlite3.SQLITE_IOERR_WRITE), AWAY),
        (of_sqlite(sqlite3.SQLITE_IOERR_SHMSIZE), FULL),
        (of_sqlite(sqlite3.SQLITE_CANTOPEN), AWAY),
        (of_sqlite(sqlite3.SQLITE_ERROR), None),
        (wrapped(psycopg.OperationalError("connection refused")), AWAY),
        (wrapped(psycopg.errors.AdminShutdown()), AWAY),
        (wrapped(psycopg.errors.DiskFull()), FULL),
        (wrapped(psycopg.errors.LockNotAvailable()), BUSY),
        (InterfaceError("connection already closed"), AWAY),
        (DatabaseError("a wrong query"), None),
        (OSError(errno.ENOSPC, "No space left on device"), FULL),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), FULL),
        (FileNotFoundError(errno.ENOENT, "No such file"), None),
        (ValueError("a defect"), None),
        (None, None),
    ],
    ids=repr,
)
def test_what_passes_is_an_outage_and_what_does_not_is_a_defect(
    error: Exception | None, outage: Outage | None
) -> None:
    assert outages.of(error) == outage


@pytest.mark.django_db
def test_a_missing_table_is_a_defect_on_every_database() -> None:
    with pytest.raises(DatabaseError) as raised, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM there_is_no_such_table")
    assert outages.of(raised.value) is None


def session_interrupted() -> None:
    """As Django does it where a session cannot be stored."""
    try:
        raise of_sqlite(sqlite3.SQLITE_BUSY)
    except OperationalError:
        raise SessionInterrupted("The session was deleted")  # noqa: B904


def nothing_to_do_with_it() -> None:
    try:
        raise of_sqlite(sqlite3.SQLITE_BUSY)
    except OperationalError:
        raise ValueError from None


def test_an_outage_is_found_behind_the_error_that_it_led_to() -> None:
    with pytest.raises(SessionInterrupted) as led_to:
        session_interrupted()
    assert outages.of(led_to.value) == BUSY
    with pytest.raises(ValueError) as other:
        nothing_to_do_with_it()
    assert outages.of(other.value) is None
