from datetime import timedelta

import pytest
from django.db.models.functions import Now

from openhands_site.workers.models import Worker
from openhands_site.workers.process import WorkerProcess

pytestmark = pytest.mark.django_db


def test_a_worker_that_starts_forgets_those_that_died_long_ago() -> None:
    old, young = (Worker.objects.create(name=name, host="here", pid=1) for name in ("old", "young"))
    Worker.objects.filter(pk=old.pk).update(last_seen=Now() - timedelta(days=2))
    process = WorkerProcess("new", [], lambda: 0)
    assert set(Worker.objects.values_list("pk", flat=True)) == {young.pk, process.id}


def test_a_heartbeat_makes_the_row_again_that_somebody_removed() -> None:
    process = WorkerProcess("new", [], lambda: 0)
    Worker.objects.all().delete()
    process.beat()
    assert Worker.objects.live().filter(pk=process.id).exists()


def test_a_worker_that_could_not_beat_for_long_judges_nobody_for_a_while() -> None:
    swept: list[int] = []
    process = WorkerProcess("new", [lambda _, limit: swept.append(limit)], lambda: 3)
    process.beat()
    process.sweep()
    assert swept == [3]
    process._last_beat -= 5
    process.beat()
    process.sweep()
    assert swept == [3]


def test_a_worker_without_a_free_thread_does_not_sweep() -> None:
    swept: list[int] = []
    process = WorkerProcess("busy", [lambda _, limit: swept.append(limit)], lambda: 0)
    process.sweep()
    assert swept == []
