from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from conversations.models import Conversation
from openhands_site.work import facts
from openhands_site.workers.models import Worker
from sandboxes import services as sandboxes
from sandboxes.models import Sandbox
from tests.openhands_site.work.conftest import MakeTask

pytestmark = pytest.mark.django_db


def waiting() -> dict[str, facts.Piece]:
    return {piece.label: piece for piece in facts.gather().waiting.rows}


def test_each_worker_is_told_with_what_it_holds(live: Worker, dead: Worker, task: MakeTask) -> None:
    task(live, title="One")
    task(dead, title="Two")
    Sandbox.objects.filter(conversations__title="Two").update(lease_worker=dead, lease_fence=3)
    first, second = facts.gather().workers
    assert (first.worker, first.life, [piece.label for piece in first.holds]) == (live, "lives", ["One"])
    assert (second.worker, second.life) == (dead, "dead")
    assert [(piece.kind, piece.row.lease_fence) for piece in second.holds] == [
        ("conversation", 7),
        ("sandbox", 3),
    ]


def test_without_a_witness_an_old_heartbeat_is_silence(silent: Worker, dead: Worker, task: MakeTask) -> None:
    task(silent)
    assert [each.life for each in facts.gather().workers] == ["silent", "dead"]


def test_of_the_dead_that_hold_nothing_only_the_last_are_told(
    live: Worker, dead: Worker, task: MakeTask
) -> None:
    task(dead)
    day = timezone.now() - timedelta(hours=20)
    for pid in range(30):
        Worker.objects.create(name="agent", host="here", pid=pid, last_seen=day + timedelta(minutes=pid))
    told = [each.worker for each in facts.gather().workers]
    assert told[:2] == [live, dead]
    assert [worker.pid for worker in told[2:]] == [29, 28, 27, 26, 25]


def test_what_a_living_worker_is_at_does_not_wait_and_what_a_dead_one_held_does(
    live: Worker, dead: Worker, task: MakeTask
) -> None:
    task(live, title="At work")
    task(dead, title="Abandoned")
    Sandbox.objects.update(due_since=None)
    found = waiting()
    assert set(found) == {"Abandoned"}
    assert found["Abandoned"].taken_by == "one live worker"


def test_what_was_worked_on_waits_only_since_its_worker_died(
    live: Worker, dead: Worker, task: MakeTask
) -> None:
    task(dead, title="Due for an hour")
    assert waiting()["Due for an hour"].waits_since == dead.last_seen


@pytest.mark.parametrize(("seconds", "is_late"), [(10, False), (40, True)])
def test_what_waits_for_longer_than_half_a_minute_is_late(owner: User, seconds: int, is_late: bool) -> None:
    sandbox = sandboxes.create_sandbox(owner=owner)
    Sandbox.objects.update(due_since=timezone.now() - timedelta(seconds=seconds))
    assert waiting()[str(sandbox.pk)].is_late is is_late


def test_who_may_take_it_is_told(live: Worker, dead: Worker, task: MakeTask) -> None:
    one = task(title="One")
    assert waiting()["One"].taken_by == "one live worker"
    Worker.objects.create(name="sandboxes, default, agent", host="here", pid=9)
    assert waiting()["One"].taken_by == "any of 2 live workers"
    Conversation.objects.filter(pk=one.pk).update(reserved_for=live)
    assert waiting()["One"].taken_by == f"{live} alone"
    Worker.objects.exclude(pk=dead.pk).delete()
    Conversation.objects.filter(pk=one.pk).update(reserved_for=dead)
    assert waiting()["One"].taken_by == "nobody: no live worker serves the queue agent"


def test_a_sandbox_is_without_an_owner_until_its_removal_is_due_and_again_when_that_failed(
    owner: User,
) -> None:
    sandbox = sandboxes.create_sandbox(owner=owner)
    assert facts.gather().ownerless.rows == [sandbox]
    sandboxes.request_removal(sandbox_id=sandbox.pk)
    assert facts.gather().ownerless.rows == []
    Sandbox.objects.update(due_since=None, state="error")
    assert facts.gather().ownerless.rows == [sandbox]


def test_a_sandbox_that_a_conversation_uses_has_an_owner(task: MakeTask) -> None:
    task()
    assert facts.gather().ownerless.total == 0


def test_a_long_list_is_cut_and_says_how_much_there_is(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "LISTED", 2)
    for _ in range(3):
        sandboxes.create_sandbox(owner=owner)
    found = facts.gather().ownerless
    assert (len(found.rows), found.total, found.more) == (2, 3, 1)


def test_the_number_of_queries_does_not_grow(
    live: Worker, dead: Worker, task: MakeTask, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(12):
        task((live, dead, None)[number % 3], actions=3)
    with django_assert_max_num_queries(20):
        work = facts.gather()
    assert work.actions.total == 36
