"""What a worker does with what its sweep found."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import pytest
from django.db import connection

from accounts.models import User
from openhands_site.celery import WorkerStep, app, carry_out

pytestmark = pytest.mark.django_db(transaction=True)


def count() -> int:
    return User.objects.count()


def fail() -> NoReturn:
    count()
    raise ZeroDivisionError("a defect")


def end_connection() -> bool:
    """Whether the thread had one."""
    was_there = connection.connection is not None
    connection.close()
    return was_there


@pytest.mark.parametrize("way", ["stop", "terminate"])
def test_a_worker_begins_nothing_more_before_its_threads_end(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    told: list[str] = []
    monkeypatch.setattr("openhands_site.workers.process.take_no_more", lambda: told.append("no more"))
    getattr(WorkerStep(None), way)(None)
    assert told == ["no more"]


@pytest.mark.parametrize("work", [count, fail])
def test_a_thread_that_has_done_its_work_waits_for_more_without_a_connection_of_the_pool(
    work: Callable[[], int],
) -> None:
    task = app.task(name=f"tests.{work.__name__}")(work)
    with ThreadPoolExecutor(1) as threads:
        threads.submit(carry_out, task, ()).result(10)
        is_kept = threads.submit(end_connection).result(10)
    del app.tasks[task.name]
    assert is_kept == (connection.vendor == "sqlite")  # which has no pool, and is slow to open
