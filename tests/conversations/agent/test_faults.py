"""What becomes of an action when a worker or a sandbox dies under it: it runs at most once, and nothing is lost."""

import time
from datetime import timedelta
from threading import Thread
from uuid import uuid4

import pytest
from django.db.models.functions import Now
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from conversations import services
from conversations.agent import inbox as inboxes
from conversations.agent.holder import FENCE_TRUSTED_SECONDS, Holder
from conversations.models import Conversation, Event, LLMCall
from openhands_site.workers.models import Worker
from sandboxes import size_watch
from sandboxes.backends import memory
from sandboxes.models import Runtime, Sandbox
from tests.conversations.agent.driver import kinds, log_of, start, until, work, work_beside, worker
from tests.fakes.models import ScriptedTurns, call, calls
from tests.faults.points import Points
from tests.stopwatch import Stopwatch

pytestmark = pytest.mark.django_db(transaction=True)
FINISH = calls(call("finish", message="All done."))


def bury(conversation: Conversation) -> None:
    """Makes the worker that holds the conversation look dead: its heartbeat is long ago."""
    conversation.refresh_from_db()
    assert conversation.lease_worker_id
    Worker.objects.filter(pk=conversation.lease_worker_id).update(last_seen=Now() - timedelta(seconds=60))


def outcomes(conversation: Conversation) -> list[str]:
    return [event.payload["outcome"] for event in log_of(conversation) if event.kind == "observation"]


def test_a_sandbox_that_dies_under_an_action_loses_it_and_comes_back(owner: User) -> None:
    commands = [call("terminal", command="die"), call("terminal", command="echo still here")]
    conversation = work(start(owner, [calls(*commands), FINISH]))
    assert conversation.agent_state == "finished"
    assert outcomes(conversation) == ["lost", "ok", "ok"]
    boots = {event.payload["boot_id"] for event in log_of(conversation) if event.payload.get("boot_id")}
    assert len(boots) == 2


def test_a_worker_that_was_taken_for_dead_before_its_call_does_not_make_it(
    owner: User, points: Points
) -> None:
    model = ScriptedTurns([FINISH])
    conversation = services.start_conversation(owner=owner, text="Do it", model=model.name)
    points.arm("agent-call-opened")
    frozen = work_beside(conversation)
    points.await_reached("agent-call-opened")
    time.sleep(FENCE_TRUSTED_SECONDS)
    bury(conversation)
    assert work(conversation).agent_state == "finished"
    points.release("agent-call-opened")
    frozen.join(10)
    assert len(model.requests) == 1
    assert sorted(LLMCall.objects.values_list("status", flat=True)) == ["done", "estimated"]


def test_another_worker_joins_the_action_of_a_dead_one_and_the_dead_one_writes_nothing(owner: User) -> None:
    name = uuid4().hex
    turns = [calls(call("terminal", command=f"hold {name}\necho once")), FINISH]
    conversation = start(owner, turns)
    frozen = work_beside(conversation)
    until(lambda: name in memory.held)
    bury(conversation)
    taker = work_beside(conversation)
    until(lambda: Conversation.objects.get(pk=conversation.pk).lease_fence == 2)
    memory.release(name)
    taker.join(10)
    frozen.join(10)
    assert outcomes(conversation) == ["ok", "ok"]
    assert kinds(conversation)[-1] == "state:finished"
    output = next(event for event in log_of(conversation) if event.kind == "observation")
    assert output.payload["content"][0]["text"].strip().endswith("once")


def test_an_action_of_a_dead_worker_in_a_dead_sandbox_is_lost_and_never_runs_again(owner: User) -> None:
    name = uuid4().hex
    # The dead one may still call the model, before it finds that it is shut out.
    conversation = start(owner, [calls(call("terminal", command=f"hold {name}")), FINISH, FINISH])
    frozen = work_beside(conversation)
    until(lambda: name in memory.held)
    bury(conversation)
    conversation.refresh_from_db()
    assert conversation.sandbox_id
    memory.kill(conversation.sandbox_id)
    work(conversation)
    frozen.join(10)
    assert outcomes(conversation) == ["lost", "ok"]
    assert kinds(conversation)[-1] == "state:finished"


def test_a_sandbox_that_freezes_under_an_action_is_ended_loses_it_and_comes_back(
    owner: User, settings: Settings
) -> None:
    settings.SANDBOX_DEAD_AFTER = 1
    name = uuid4().hex
    commands = [call("terminal", command=f"hold {name}"), call("terminal", command="echo still here")]
    conversation = start(owner, [calls(*commands), FINISH])
    thread = work_beside(conversation)
    until(lambda: name in memory.held)
    time.sleep(2)  # a command takes as long as it takes
    assert outcomes(conversation) == []
    conversation.refresh_from_db()
    assert conversation.sandbox_id
    memory.freeze(conversation.sandbox_id)
    thread.join(20)
    assert outcomes(conversation) == ["lost", "ok", "ok"]
    assert kinds(conversation)[-1] == "state:finished"


def test_a_sandbox_that_is_there_and_refuses_to_be_spoken_to_is_ended_too(
    owner: User, settings: Settings
) -> None:
    settings.SANDBOX_DEAD_AFTER = 1
    name = uuid4().hex
    conversation = start(owner, [calls(call("terminal", command=f"hold {name}")), FINISH])
    thread = work_beside(conversation)
    until(lambda: name in memory.held)
    conversation.refresh_from_db()
    assert conversation.sandbox_id
    memory.refuse(conversation.sandbox_id)
    thread.join(20)
    assert outcomes(conversation) == ["lost", "ok"]


def test_a_stop_does_not_wait_for_a_frozen_sandbox_which_is_ended_where_it_does_not_hear_of_it(
    owner: User, settings: Settings
) -> None:
    settings.SANDBOX_DEAD_AFTER = 2
    name = uuid4().hex
    conversation = start(owner, [calls(call("terminal", command=f"hold {name}"))])
    thread = work_beside(conversation)
    until(lambda: name in memory.held)
    conversation.refresh_from_db()
    assert conversation.sandbox_id
    memory.freeze(conversation.sandbox_id)
    with Stopwatch() as taken:
        services.give_order(conversation_id=conversation.pk, by=owner, order="stop")
        until(lambda: kinds(conversation)[-1] == "state:stopped")
    assert taken.seconds < settings.SANDBOX_DEAD_AFTER
    thread.join(10)
    assert not list(memory.MemoryBackend().lives())
    conversation.refresh_from_db()
    assert conversation.due_since is None


def test_actions_behind_a_lost_one_were_not_sent_and_run_in_the_new_life(owner: User) -> None:
    commands = [call("terminal", command=command) for command in ("die", "echo one", "echo two")]
    conversation = work(start(owner, [calls(*commands), FINISH]))
    texts = [
        event.payload["content"][0]["text"].strip()
        for event in log_of(conversation)
        if event.kind == "observation" and event.payload["outcome"] == "ok"
    ]
    assert texts[:2] == ["one", "two"]


def test_a_stop_interrupts_the_command_within_a_second_and_keeps_the_sandbox(owner: User) -> None:
    name = uuid4().hex
    held = call("terminal", command=f"echo begun\nhold {name}")
    conversation = start(owner, [calls(held, call("terminal", command="echo never"))])
    thread = work_beside(conversation)
    until(lambda: name in memory.held)
    with Stopwatch() as taken:
        services.give_order(conversation_id=conversation.pk, by=owner, order="stop")
        until(lambda: Conversation.objects.get(pk=conversation.pk).agent_state == "stopped")
    assert taken.seconds < 1
    thread.join(10)
    assert outcomes(conversation) == ["interrupted", "interrupted"]
    conversation.refresh_from_db()
    assert conversation.sandbox is not None
    assert conversation.sandbox.state == "running"


def test_a_stop_of_a_dead_workers_conversation_closes_its_actions_and_shuts_the_worker_out(
    owner: User,
) -> None:
    name = uuid4().hex
    conversation = start(owner, [calls(call("terminal", command=f"hold {name}")), FINISH])
    frozen = work_beside(conversation)
    until(lambda: name in memory.held)
    bury(conversation)
    services.give_order(conversation_id=conversation.pk, by=owner, order="stop")
    memory.release(name)
    frozen.join(10)
    assert kinds(conversation)[-3:] == ["order:stop", "observation:interrupted", "state:stopped"]


def test_a_worker_that_was_frozen_before_it_sent_its_action_does_not_send_it_after_a_stop(
    owner: User, points: Points, settings: Settings
) -> None:
    conversation = start(owner, [calls(call("terminal", command="write trace It ran."))])
    points.arm("agent-action-unsent")
    frozen = work_beside(conversation)
    points.await_reached("agent-action-unsent")
    bury(conversation)
    services.give_order(conversation_id=conversation.pk, by=owner, order="stop")
    time.sleep(FENCE_TRUSTED_SECONDS)  # nobody is buried who was silent for less
    points.release("agent-action-unsent")
    frozen.join(10)
    assert kinds(conversation)[-3:] == ["order:stop", "observation:interrupted", "state:stopped"]
    assert conversation.sandbox_id
    assert not list((settings.SANDBOX_FOLDER / str(conversation.sandbox_id)).rglob("trace"))


def test_a_worker_that_was_not_held_up_asks_nobody_before_it_sends_an_action(
    owner: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    conversation = start(owner, [])
    holder = Holder(conversation, conversation.lease_fence)
    holder.load()
    with django_assert_num_queries(0):
        holder.require_lease()


def held_by_a_deaf_worker(owner: User) -> tuple[Conversation, str, Thread]:
    """A conversation in a command that goes on until its name is released, or it is ended. The worker in the thread
    hears of no order any more, as one that is dead or frozen."""
    name = uuid4().hex
    conversation = start(owner, [calls(call("terminal", command=f"hold {name}")), FINISH])
    thread = work_beside(conversation)
    until(lambda: name in memory.held)
    inboxes.reader().inboxes.pop(conversation.pk)
    return conversation, name, thread


def test_a_stop_that_a_dead_worker_did_not_hear_ends_its_command_when_another_takes_over(
    owner: User,
) -> None:
    conversation, name, dead = held_by_a_deaf_worker(owner)
    services.give_order(conversation_id=conversation.pk, by=owner, order="stop")
    assert kinds(conversation)[-1] == "order:stop"
    bury(conversation)
    assert work(conversation).agent_state == "stopped"
    until(lambda: name not in memory.held, seconds=1)
    dead.join(10)
    assert kinds(conversation)[-3:] == ["order:stop", "observation:interrupted", "state:stopped"]


def test_a_stop_with_nobody_at_work_wakes_a_worker_that_ends_the_command(owner: User) -> None:
    conversation, name, dead = held_by_a_deaf_worker(owner)
    bury(conversation)
    services.give_order(conversation_id=conversation.pk, by=owner, order="stop")
    assert kinds(conversation)[-1] == "state:stopped"
    assert name in memory.held
    work(conversation)
    until(lambda: name not in memory.held, seconds=1)
    dead.join(10)
    assert kinds(conversation)[-3:] == ["order:stop", "observation:interrupted", "state:stopped"]


@pytest.mark.parametrize("says", ["", "Do something else"])
def test_a_stop_that_the_sandbox_cannot_hear_stays_due_until_it_can(owner: User, says: str) -> None:
    conversation, name, dead = held_by_a_deaf_worker(owner)
    bury(conversation)
    services.give_order(conversation_id=conversation.pk, by=owner, order="stop")
    life = Runtime.objects.filter(sandbox=conversation.sandbox_id)
    url = life.get().url
    life.update(url="http://127.0.0.1:1")
    taker = work_beside(conversation)
    taker.join(1)
    if says:
        services.send_message(conversation_id=conversation.pk, by=owner, text=says)
        taker.join(1)
    conversation.refresh_from_db()
    assert conversation.due_since
    assert conversation.agent_state == "stopped"
    assert name in memory.held
    life.update(url=url)
    taker.join(10)
    until(lambda: name not in memory.held, seconds=1)
    assert work(conversation).due_since is None
    dead.join(10)


def test_a_start_that_fails_says_why_and_the_next_message_tries_again(owner: User) -> None:
    conversation = start(owner, [FINISH])
    sandbox = conversation.sandbox
    assert sandbox
    from django.db import transaction

    from conversations.sandbox_observer import SandboxObserver

    with transaction.atomic():
        SandboxObserver().failed(sandbox.pk, "create", 5, "The disk is full.")
        type(sandbox).objects.filter(pk=sandbox.pk).update(
            state="error", error="The disk is full.", due_since=None
        )
    assert work(conversation, worker()).agent_state == "error"
    assert (
        Event.objects.get(conversation=conversation, kind="error").payload["message"] == "The disk is full."
    )
    services.send_message(conversation_id=conversation.pk, by=owner, text="Try again")
    assert work(conversation).agent_state == "finished"


def test_a_sandbox_that_grows_too_large_ends_the_turn_with_a_sentence_until_the_limit_is_raised(
    owner: User, settings: Settings
) -> None:
    settings.SANDBOX_BACKENDS = {"memory": "tests.sandboxes.doubles.Large"}
    settings.SANDBOX_DISK_MB = 10_000
    name = uuid4().hex
    turns = [
        calls(call("terminal", command=f"hold {name}")),
        calls(call("terminal", command="echo more")),
        FINISH,
    ]
    conversation = start(owner, turns)
    working = work_beside(conversation)
    until(lambda: name in memory.held)
    size_watch.stop_oversized()
    working.join(20)
    assert not working.is_alive()
    conversation.refresh_from_db()
    assert conversation.agent_state == "error"
    error = next(event for event in reversed(log_of(conversation)) if event.kind == "error")
    assert error.payload["code"] == "sandbox_failed"
    assert "take 20000 MB and SANDBOX_DISK_MB allows 10000" in error.payload["message"]
    assert "Ask an operator to raise the limit" in error.payload["message"]
    assert "create" in [
        event.payload["phase"] for event in log_of(conversation) if event.payload.get("failed")
    ]
    assert Runtime.objects.count() == 1, "nothing was made for the start that was refused"
    settings.SANDBOX_DISK_MB = 20_000
    services.send_message(conversation_id=conversation.pk, by=owner, text="Go on")
    assert work(conversation).agent_state == "finished"
    assert not Sandbox.objects.get().is_oversized


def test_a_sandbox_that_dies_while_a_pause_waits_for_its_action_loses_it_and_never_runs_it_again(
    owner: User,
) -> None:
    name = uuid4().hex
    conversation = start(owner, [calls(call("terminal", command=f"hold {name}")), FINISH])
    thread = work_beside(conversation)
    until(lambda: name in memory.held)
    services.give_order(conversation_id=conversation.pk, by=owner, order="pause")
    conversation.refresh_from_db()
    assert conversation.sandbox_id
    memory.kill(conversation.sandbox_id)
    thread.join(10)
    assert kinds(conversation)[-2:] == ["observation:lost", "state:paused"]
    memory.held.discard(name)
    services.give_order(conversation_id=conversation.pk, by=owner, order="resume")
    assert work(conversation).agent_state == "finished"
    assert name not in memory.held


def test_a_pause_of_a_dead_workers_conversation_takes_effect_when_its_action_has_ended(owner: User) -> None:
    name = uuid4().hex
    conversation = start(owner, [calls(call("terminal", command=f"hold {name}")), FINISH])
    frozen = work_beside(conversation)
    until(lambda: name in memory.held)
    bury(conversation)
    services.give_order(conversation_id=conversation.pk, by=owner, order="pause")
    taker = work_beside(conversation)
    until(lambda: Conversation.objects.get(pk=conversation.pk).lease_fence == 2)
    memory.release(name)
    taker.join(10)
    frozen.join(10)
    assert kinds(conversation)[-2:] == ["observation:ok", "state:paused"]
