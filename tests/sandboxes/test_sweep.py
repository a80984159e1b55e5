import time
import uuid

from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from openhands_site import hints
from openhands_site.workers.models import Worker
from sandboxes import services, sweep
from sandboxes.models import Sandbox
from sandboxes.states import Wanted
from tests.fakes.hints import CollectingSink


def enqueued(sandbox: Sandbox) -> list[str]:
    """The tasks that were hinted for the sandbox; a last hint of our own says that all before it arrived."""
    last = ("last", (uuid.uuid4().hex,))
    hints.enqueue(last[0], *last[1])
    deadline = time.monotonic() + 5
    while last not in CollectingSink.enqueued:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return [task for task, arguments in CollectingSink.enqueued if arguments == (str(sandbox.pk),)]


def due(owner: User, wanted: Wanted = Wanted.RUNNING) -> Sandbox:
    sandbox = services.create_sandbox(owner=owner)
    Sandbox.objects.filter(pk=sandbox.pk).update(due_since=timezone.now(), wanted=wanted)
    return sandbox


def test_what_is_due_is_enqueued_by_what_is_wanted(owner: User, worker: Worker) -> None:
    sandboxes = {wanted: due(owner, wanted) for wanted in Wanted}
    sweep.sweep(worker.pk, 10)
    assert enqueued(sandboxes[Wanted.RUNNING]) == ["sandboxes.tasks.provision"]
    assert enqueued(sandboxes[Wanted.STOPPED]) == ["sandboxes.tasks.release"]
    assert enqueued(sandboxes[Wanted.REMOVED]) == ["sandboxes.tasks.release"]


def test_no_more_is_enqueued_than_there_are_free_threads(owner: User, worker: Worker) -> None:
    first, second = due(owner), due(owner)
    sweep.sweep(worker.pk, 1)
    assert [len(enqueued(first)), len(enqueued(second))] == [1, 0]


def test_what_is_not_due_held_or_reserved_for_another_is_left_alone(owner: User, worker: Worker) -> None:
    other = Worker.objects.create(name="other", host="here", pid=2)
    idle = services.create_sandbox(owner=owner)
    held, reserved = due(owner), due(owner)
    Sandbox.objects.filter(pk=held.pk).update(lease_worker=other)
    Sandbox.objects.filter(pk=reserved.pk).update(reserved_for=other)
    sweep.sweep(worker.pk, 10)
    assert [enqueued(sandbox) for sandbox in (idle, held, reserved)] == [[], [], []]


def test_the_size_of_sandboxes_is_looked_at_now_and_then(worker: Worker, settings: Settings) -> None:
    settings.SANDBOX_DISK_MB = 1
    before = [task for task, _ in CollectingSink.enqueued].count("sandboxes.tasks.watch_disk")
    for _ in range(3):
        sweep.sweep(worker.pk, 10)
    enqueued(Sandbox())
    after = [task for task, _ in CollectingSink.enqueued].count("sandboxes.tasks.watch_disk")
    assert after - before <= 1
