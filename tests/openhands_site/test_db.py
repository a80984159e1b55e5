import gc
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import OperationalError, connection, connections, transaction

from accounts.models import User
from openhands_site import db

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def of_sqlite() -> None:
    if connection.vendor != "sqlite":
        pytest.skip("SQLite's lock")


@pytest.fixture
def lock(of_sqlite: None) -> Iterator[None]:
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    yield
    other.close()


@pytest.fixture
def first_connection() -> Iterator[None]:
    """As in a process that has not connected yet; afterwards all is as it was."""
    options = connections.settings["default"]["OPTIONS"]
    before = {**options, **({"pool": {**options["pool"]}} if "pool" in options else {})}
    connection.close()
    if connection.vendor == "postgresql":
        connection.close_pool()  # type: ignore[attr-defined]
    yield
    options.clear()
    options.update(before)
    connection.close()
    if connection.vendor == "postgresql":
        connection.close_pool()  # type: ignore[attr-defined]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="SQLite finds rows as they are fetched")
def test_what_fails_at_a_later_row_is_an_error_of_djangos_too() -> None:
    own: Any = connection
    with pytest.raises(OperationalError):
        own.fetch_each([("SELECT json(value) FROM (SELECT '1' AS value UNION ALL SELECT '{')", [])])


def test_what_is_not_worth_a_wait_fails_at_once_and_the_rest_waits_as_before(owner: User, lock: None) -> None:
    patience = busy_timeout()
    begun = time.monotonic()
    with pytest.raises(OperationalError, match="locked"), db.without_waiting():
        User.objects.update(name="somebody")
    assert time.monotonic() - begun < 10
    assert busy_timeout() == patience > 0


@pytest.fixture
def nothing_to_collect() -> Iterator[None]:
    """What other tests have left takes the collector a second by itself."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def test_one_thread_waiting_for_the_lock_again_holds_up_no_other(
    first_connection: None, lock: None, nothing_to_collect: None
) -> None:
    db.wait_at_most(4)
    failures = []

    def write() -> None:
        try:
            with transaction.atomic():
                pytest.fail("somebody else writes")
        except OperationalError as error:
            failures.append(error)

    with ThreadPoolExecutor(1) as threads:
        threads.submit(write).result()
        error = failures.pop()
        error.args = (error,)  # as one that was logged or passed on: nothing but the collector frees it
        del error
        waiting = threads.submit(write)
        time.sleep(0.5)
        begun = time.monotonic()
        gc.collect()
        assert time.monotonic() - begun < 2
        assert not waiting.done()
        waiting.result()
        threads.submit(connections.close_all)


def test_a_process_that_answers_people_waits_less(first_connection: None) -> None:
    db.wait_at_most(3)
    if connection.vendor == "sqlite":
        assert busy_timeout() == 3000
    else:
        with connection.cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            assert cursor.fetchone() == ("3s",)
        assert connection.pool.timeout == 3  # type: ignore[attr-defined]


def test_an_open_connection_keeps_the_files_that_sqlite_reads_with(
    of_sqlite: None, first_connection: None
) -> None:
    db.hold_open()
    assert connection.connection is not None


def busy_timeout() -> int:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        return int(cursor.fetchone()[0])
