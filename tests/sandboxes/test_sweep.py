import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from openhands_site.workers.models import Worker
from openhands_site.workers.rhythm import Rhythm
from sandboxes import services, sweep
from sandboxes.models import Sandbox
from sandboxes.states import Wanted


def due(owner: User, wanted: Wanted = Wanted.RUNNING) -> Sandbox:
    sandbox = services.create_sandbox(owner=owner)
    Sandbox.objects.filter(pk=sandbox.pk).update(due_since=timezone.now(), wanted=wanted)
    return sandbox


def swept(worker: Worker, limit: int = 10) -> list[tuple[str, ...]]:
    return [work for work in sweep.sweep(worker.pk, limit) if work[0] == "sandboxes.tasks.bring"]


def test_what_is_due_is_found_whatever_is_wanted(owner: User, worker: Worker) -> None:
    sandboxes = [due(owner, wanted) for wanted in Wanted]
    assert swept(worker) == [("sandboxes.tasks.bring", str(sandbox.pk)) for sandbox in sandboxes]


def test_no_more_is_found_than_there_are_free_threads_and_the_longest_waiting_first(
    owner: User, worker: Worker
) -> None:
    first, _second = due(owner), due(owner)
    assert swept(worker, 1) == [("sandboxes.tasks.bring", str(first.pk))]


def test_what_is_not_due_held_or_reserved_for_another_is_left_alone(owner: User, worker: Worker) -> None:
    other = Worker.objects.create(name="other", host="here", pid=2)
    services.create_sandbox(owner=owner)
    held, reserved = due(owner), due(owner)
    Sandbox.objects.filter(pk=held.pk).update(lease_worker=other)
    Sandbox.objects.filter(pk=reserved.pk).update(reserved_for=other)
    assert swept(worker) == []


def test_the_size_of_sandboxes_is_looked_at_now_and_then(worker: Worker, settings: Settings) -> None:
    settings.SANDBOX_DISK_MB = 1
    watches = [work for _ in range(3) for work in sweep.sweep(worker.pk, 10)]
    assert watches.count(("sandboxes.tasks.watch_disk",)) <= 1


def test_what_starts_left_behind_is_looked_for_at_a_workers_start_and_now_and_then(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "_leftovers", Rhythm(600))
    found = [work for _ in range(3) for work in sweep.sweep(worker.pk, 10)]
    assert found.count(("sandboxes.tasks.remove_leftovers",)) == 1
