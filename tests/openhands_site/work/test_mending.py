import time
import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from conversations import timeline
from conversations.models import Conversation
from conversations.services import start_conversation
from conversations.timeline import LeaseLostError
from openhands_site import hints
from openhands_site.work import mending
from openhands_site.work.mending import NotApplicable
from openhands_site.workers import leases
from openhands_site.workers.models import Worker
from sandboxes import services as sandboxes
from sandboxes.backends import memory as memory_backend
from sandboxes.backends.base import SandboxSpec
from sandboxes.backends.memory import MemoryBackend
from sandboxes.models import Sandbox
from sandboxes.states import SandboxState, Wanted
from tests.fakes.hints import CollectingSink
from tests.openhands_site.work.conftest import MakeTask, sandbox_id
from tests.sandboxes.doubles import living

pytestmark = pytest.mark.django_db


def enqueued(pk: uuid.UUID) -> list[str]:
    """The tasks that were hinted for the row; a last hint of our own says that all before it arrived."""
    last = ("last", (uuid.uuid4().hex,))
    hints.enqueue(last[0], *last[1])
    deadline = time.monotonic() + 5
    while last not in CollectingSink.enqueued:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return [name for name, arguments in CollectingSink.enqueued if arguments == (str(pk),)]


def test_what_a_dead_worker_holds_is_freed_and_stays_due(live: Worker, dead: Worker, task: MakeTask) -> None:
    held = task(dead)
    Sandbox.objects.update(lease_worker=dead)
    sentence = mending.free_leases(worker_id=dead.pk)
    assert "Freed 1 sandbox and 1 conversation that agent (there, pid 2) held" in sentence
    held.refresh_from_db()
    assert (held.lease_worker, held.due_since is None) == (None, False)
    assert leases.take(Conversation.objects.all(), held.pk, live.pk) == 9
    with pytest.raises(NotApplicable, match="holds nothing any more"):
        mending.free_leases(worker_id=dead.pk)


def test_a_dead_worker_that_wakes_up_after_it_was_freed_writes_nothing(dead: Worker, task: MakeTask) -> None:
    held = task(dead)
    mending.free_leases(worker_id=dead.pk)
    with pytest.raises(LeaseLostError):
        timeline.append(held.pk, fence=7)


def test_what_a_living_worker_holds_is_never_freed(live: Worker, dead: Worker, task: MakeTask) -> None:
    held = task(live)
    with pytest.raises(NotApplicable, match=r"agent \(here, pid 1\) lives"):
        mending.free_leases(worker_id=live.pk)
    task(dead)
    mending.free_leases(worker_id=dead.pk)
    assert Conversation.objects.get(pk=held.pk).lease_worker == live


def test_without_a_witness_a_worker_is_dead_only_after_a_minute(silent: Worker, task: MakeTask) -> None:
    task(silent)
    with pytest.raises(NotApplicable, match="nobody is there who may say that it is dead"):
        mending.free_leases(worker_id=silent.pk)
    new = Worker.objects.create(
        name="agent", host="here", pid=4, judges_from=timezone.now() + timedelta(hours=1)
    )
    with pytest.raises(NotApplicable, match="nobody is there"):
        mending.free_leases(worker_id=silent.pk)
    Worker.objects.filter(pk=new.pk).update(judges_from=timezone.now() - timedelta(seconds=1))
    assert "Freed 1 conversation" in mending.free_leases(worker_id=silent.pk)


def test_a_worker_that_is_gone_holds_nothing(db: None) -> None:
    with pytest.raises(NotApplicable, match="This worker holds nothing"):
        mending.free_leases(worker_id=uuid.uuid4())


def test_due_work_is_told_to_the_workers_again(dead: Worker, task: MakeTask) -> None:
    waits = task(dead)
    assert "told again" in mending.hint_conversation(conversation_id=waits.pk)
    assert enqueued(waits.pk) == ["conversations.tasks.run_agent"]


@pytest.mark.parametrize("wanted", ["running", "removed"])
def test_a_sandbox_with_work_due_is_told_whatever_is_wanted(task: MakeTask, wanted: str) -> None:
    pk = sandbox_id(task())
    Sandbox.objects.update(wanted=wanted)
    mending.hint_sandbox(sandbox_id=pk)
    assert enqueued(pk) == ["sandboxes.tasks.bring"]


def test_what_a_living_worker_is_at_or_has_reserved_is_not_told(live: Worker, task: MakeTask) -> None:
    held, reserved, idle = task(live), task(), task()
    Conversation.objects.filter(pk=reserved.pk).update(reserved_for=live)
    Conversation.objects.filter(pk=idle.pk).update(due_since=None)
    for row, reason in (
        (held, "is at work on it"),
        (reserved, "finds it by itself"),
        (idle, "Nothing is due there any more"),
    ):
        with pytest.raises(NotApplicable, match=reason):
            mending.hint_conversation(conversation_id=row.pk)
        assert enqueued(row.pk) == []
    with pytest.raises(NotApplicable, match="gone"):
        mending.hint_sandbox(sandbox_id=uuid.uuid4())


def test_a_conversation_with_an_open_action_is_stopped_once(
    dead: Worker, task: MakeTask, operator: User
) -> None:
    made = task(dead)
    assert "is told to stop" in mending.stop_conversation(conversation_id=made.pk, operator=operator)
    made.refresh_from_db()
    assert made.agent_state == "stopped"
    assert made.events.get(kind="observation").payload["outcome"] == "interrupted"
    count = made.events.count()
    with pytest.raises(NotApplicable, match="is stopped already"):
        mending.stop_conversation(conversation_id=made.pk, operator=operator)
    assert made.events.count() == count


def test_a_conversation_that_was_left_behind_is_stopped(task: MakeTask, operator: User) -> None:
    made = task()
    Conversation.objects.update(due_since=None)
    mending.stop_conversation(conversation_id=made.pk, operator=operator)
    made.refresh_from_db()
    assert made.agent_state == "stopped"


def test_a_sandbox_without_an_owner_is_removed_and_one_with_an_owner_stays(
    owner: User, task: MakeTask
) -> None:
    ownerless, used = sandboxes.create_sandbox(owner=owner).pk, sandbox_id(task())
    assert "is being removed with its files" in mending.remove_sandbox(sandbox_id=ownerless)
    assert Sandbox.objects.get(pk=ownerless).wanted == Wanted.REMOVED
    with pytest.raises(NotApplicable, match="is being removed already"):
        mending.remove_sandbox(sandbox_id=ownerless)
    with pytest.raises(NotApplicable, match="A conversation uses this sandbox"):
        mending.remove_sandbox(sandbox_id=used)
    assert Sandbox.objects.get(pk=used).wanted == Wanted.RUNNING
    with pytest.raises(NotApplicable, match="gone"):
        mending.remove_sandbox(sandbox_id=uuid.uuid4())


def test_a_life_without_a_row_is_ended_and_one_with_a_row_is_not(running: Conversation) -> None:
    stray = uuid.uuid4()
    MemoryBackend().start(stray, SandboxSpec(), lambda *_: None)
    assert "its files stay" in mending.end_stray(sandbox_id=stray)
    for other in (stray, sandbox_id(running)):
        with pytest.raises(NotApplicable, match="has ended, or a row tells of it"):
            mending.end_stray(sandbox_id=other)
    assert list(living()) == [running.sandbox_id]


def test_a_life_that_cannot_be_ended_is_told(running: Conversation, memory: Callable[[str], None]) -> None:
    stray = uuid.uuid4()
    MemoryBackend().start(stray, SandboxSpec(), lambda *_: None)
    memory("Broken")
    with pytest.raises(NotApplicable, match=r"could not be ended: Processes cannot be ended\."):
        mending.end_stray(sandbox_id=stray)


def test_a_sandbox_whose_life_is_over_is_noted_as_missing_and_one_that_lives_is_not(
    running: Conversation,
) -> None:
    pk = sandbox_id(running)
    with pytest.raises(NotApplicable, match="It runs"):
        mending.record_loss(sandbox_id=pk)
    memory_backend.kill(pk)
    assert "counts as missing" in mending.record_loss(sandbox_id=pk)
    assert Sandbox.objects.get(pk=pk).state == SandboxState.MISSING
    with pytest.raises(NotApplicable, match="already"):
        mending.record_loss(sandbox_id=pk)


def test_all_that_is_safe_is_mended_at_once_and_open_actions_are_left_alone(
    owner: User, dead: Worker, task: MakeTask, running: Conversation
) -> None:
    abandoned = task(dead, title="Abandoned")
    fresh = start_conversation(owner=owner, text="Just asked")
    late = sandboxes.create_sandbox(owner=owner)
    stray = uuid.uuid4()
    MemoryBackend().start(stray, SandboxSpec(), lambda *_: None)
    memory_backend.kill(sandbox_id(running))
    said = "\n".join(mending.mend_all())
    assert "Freed 1 conversation" in said
    assert f"The sandbox {late.pk} is being removed" in said
    assert f"The processes of {stray} were ended" in said
    assert f"The sandbox {running.sandbox_id} counts as missing" in said
    assert enqueued(abandoned.pk)
    assert not enqueued(sandbox_id(fresh))
    abandoned.refresh_from_db()
    assert abandoned.agent_state == "running"
    assert not abandoned.events.filter(kind="observation").exists()


def test_what_cannot_be_mended_is_told(running: Conversation, memory: Callable[[str], None]) -> None:
    MemoryBackend().start(uuid.uuid4(), SandboxSpec(), lambda *_: None)
    memory("Broken")
    assert list(mending.mend_all()) == ["Left as it is: It could not be ended: Processes cannot be ended."]


def test_where_all_is_well_nothing_is_mended(live: Worker, task: MakeTask, running: Conversation) -> None:
    task(live)
    assert list(mending.mend_all()) == []
