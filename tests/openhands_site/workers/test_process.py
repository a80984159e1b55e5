import os
import queue
import signal
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from openhands_site.workers.models import Worker
from openhands_site.workers.process import Work, WorkerProcess

pytestmark = pytest.mark.django_db


def sweeper(threads: int) -> tuple[WorkerProcess, list[Work]]:
    """A worker whose sweep finds as much as it is asked for, and what it began."""
    begun: list[Work] = []
    finds = [lambda _, limit: [("task", str(number)) for number in range(limit)]]
    return WorkerProcess("sweeper", finds, lambda: threads, begun.append), begun


def test_a_worker_that_starts_forgets_those_that_died_long_ago() -> None:
    old, young = (Worker.objects.create(name=name, host="here", pid=1) for name in ("old", "young"))
    Worker.objects.filter(pk=old.pk).update(last_seen=Now() - timedelta(days=2))
    process = WorkerProcess("new")
    assert set(Worker.objects.values_list("pk", flat=True)) == {young.pk, process.id}


def test_a_heartbeat_makes_the_row_again_that_somebody_removed() -> None:
    process = WorkerProcess("new")
    Worker.objects.all().delete()
    process.beat()
    assert Worker.objects.live().filter(pk=process.id).exists()


def test_what_the_sweep_finds_is_begun_in_this_process_as_far_as_threads_are_free() -> None:
    process, begun = sweeper(threads=2)
    process.sweep()
    assert begun == [("task", "0"), ("task", "1")]


def test_a_worker_without_a_free_thread_does_not_sweep() -> None:
    process, begun = sweeper(threads=0)
    process.sweep()
    assert begun == []


def test_a_worker_that_is_about_to_end_lives_and_begins_nothing() -> None:
    process, begun = sweeper(threads=2)
    process.take_no_more()
    process.beat()
    process.sweep()
    assert begun == []


def test_a_sweep_ends_where_the_worker_is_about_to_end() -> None:
    begun: list[Work] = []

    def find(_worker: UUID, _limit: int) -> Iterator[Work]:
        yield ("task", "0")
        process.take_no_more()
        yield ("task", "1")

    process = WorkerProcess("ending", [find, find], lambda: 2, begun.append)
    process.sweep()
    assert begun == [("task", "0")]


@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_process_that_has_lost_its_heartbeat_ends_so_that_it_is_started_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_worker: UUID, _limit: int) -> list[Work]:
        raise ZeroDivisionError("a defect")

    sent: queue.Queue[tuple[int, ...]] = queue.Queue()
    monkeypatch.setattr(os, "kill", lambda *arguments: sent.put(arguments))
    process = WorkerProcess("unlucky", [fail], lambda: 1)
    process.start()
    assert sent.get(timeout=10) == (os.getpid(), signal.SIGTERM)
    process.end()


def test_a_new_worker_judges_nobody_before_whoever_lives_had_time_to_say_so() -> None:
    process = WorkerProcess("new")
    assert not Worker.objects.judges().filter(pk=process.id).exists()
    Worker.objects.update(judges_from=Now() - timedelta(seconds=1))
    assert Worker.objects.judges().filter(pk=process.id).exists()


def test_a_worker_that_could_not_beat_for_long_judges_nobody_for_a_while() -> None:
    process = WorkerProcess("new")
    Worker.objects.update(judges_from=Now() - timedelta(seconds=60), last_seen=Now() - timedelta(seconds=3))
    process.beat()
    assert Worker.objects.judges().filter(pk=process.id).exists()
    Worker.objects.update(last_seen=Now() - timedelta(seconds=5))
    process.beat()
    assert not Worker.objects.judges().filter(pk=process.id).exists()
    waits = Worker.objects.get(pk=process.id).judges_from - timezone.now()
    assert timedelta(seconds=5) < waits < timedelta(seconds=7)
