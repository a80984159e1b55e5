"""A message, a stop and a pause, each at every point of a turn from its beginning to its end.

The thread that works is held at the point, the person speaks, and the thread goes on: whatever it was about to do,
what the person said is answered, and nothing of it is doubled or lost.
"""

from base64 import b64decode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from uuid import UUID

import pytest
from django.core.files.storage import default_storage
from django.db import connection, connections
from pytest_django import Settings

from accounts.models import User
from conversations import removal, services, wire
from conversations.agent.loop import run
from conversations.models import Conversation, LLMCall
from sandboxes import provisioning
from sandboxes import services as sandboxes
from sandboxes.backends.memory import MemoryBackend
from sandboxes.models import Sandbox
from tests.conversations.agent.driver import log_of, start, until, work, work_beside, worker
from tests.fakes.models import call, calls
from tests.faults.invariants import check_log
from tests.faults.points import Points
from tests.stopwatch import Stopwatch

pytestmark = pytest.mark.django_db(transaction=True)
STARTING = ["sandbox-lease-taken", "sandbox-started", "sandbox-recorded", "sandbox-ready"]
WORKING = [
    "agent-lease-taken",
    "agent-loaded",
    "agent-appended",
    "agent-call-opened",
    "agent-reply-received",
    "agent-action-unsent",
    "agent-action-done",
    "agent-action-stored",
    "agent-rest",
    "agent-rested",
]
FINISH = calls(call("finish", message="All done."))
PNG = b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII="
)


def begin(owner: User, points: Points, point: str) -> tuple[Conversation, Thread]:
    """A conversation whose worker is held where it first reaches the point."""
    conversation = start(owner, [calls(call("terminal", command="echo one")), *[FINISH] * 5])
    points.arm(point)
    thread = work_beside(conversation)
    points.await_reached(point)
    return conversation, thread


def settle(conversation: Conversation, thread: Thread) -> Conversation:
    """The conversation once nothing is left to do for it."""
    thread.join(20)
    conversation = work(conversation)
    check_log([wire.to_wire(event) for event in log_of(conversation)])
    assert conversation.due_since is None
    assert conversation.lease_worker_id is None
    assert not LLMCall.objects.filter(conversation=conversation, status=LLMCall.Status.OPEN).exists()
    return conversation


def said_after(conversation: Conversation, sequence: int) -> list[str]:
    return [
        event.kind for event in log_of(conversation) if event.source == "agent" and event.sequence > sequence
    ]


@pytest.mark.parametrize("point", STARTING + WORKING)
def test_a_message_at_any_moment_is_answered(owner: User, points: Points, point: str) -> None:
    conversation, thread = begin(owner, points, point)
    message = services.send_message(conversation_id=conversation.pk, by=owner, text="And this too")
    points.release(point)
    conversation = settle(conversation, thread)
    assert conversation.agent_state == "finished"
    read = [event.payload.get("read_until") or 0 for event in log_of(conversation) if event.source == "agent"]
    assert max(read) >= message.sequence


def test_a_sandbox_removed_while_the_agent_is_about_to_wait_for_it_gives_way_to_another(
    owner: User, points: Points
) -> None:
    conversation = start(owner, [FINISH])
    removed = conversation.sandbox_id
    assert removed
    services.send_message(conversation_id=conversation.pk, by=owner, text="And quickly")
    sandboxes.request_removal(sandbox_id=removed)
    points.arm("agent-rest")
    with ThreadPoolExecutor(1) as threads:
        waits = threads.submit(run, conversation.pk, worker())
        points.await_reached("agent-rest")
        provisioning.bring(removed, worker())
        points.release("agent-rest")
        waits.result(20)
        threads.submit(connections.close_all).result()
    assert work(conversation).agent_state == "finished"


@pytest.mark.parametrize("point", STARTING + WORKING)
def test_a_stop_at_any_moment_ends_the_turn_within_a_second(owner: User, points: Points, point: str) -> None:
    conversation, thread = begin(owner, points, point)
    rests = Conversation.objects.get(pk=conversation.pk).agent_state == "finished"
    stop = services.give_order(conversation_id=conversation.pk, by=owner, order="stop")
    wanted = "finished" if rests else "stopped"
    with Stopwatch() as taken:
        points.release(point)
        until(lambda: Conversation.objects.get(pk=conversation.pk).agent_state == wanted)
    assert taken.seconds < 1
    conversation = settle(conversation, thread)
    assert conversation.agent_state == wanted
    # A reply that had come before the stop was read is kept; nothing is asked of the model any more.
    calls_before = LLMCall.objects.filter(conversation=conversation).count()
    services.send_message(conversation_id=conversation.pk, by=owner, text="Go on")
    assert work(conversation).agent_state == "finished"
    assert LLMCall.objects.filter(conversation=conversation).count() > calls_before
    assert said_after(conversation, stop.sequence)
    check_log([wire.to_wire(event) for event in log_of(conversation)])


@pytest.mark.parametrize("point", STARTING + WORKING)
def test_a_pause_at_any_moment_takes_effect_and_a_resume_goes_on(
    owner: User, points: Points, point: str
) -> None:
    conversation, thread = begin(owner, points, point)
    services.give_order(conversation_id=conversation.pk, by=owner, order="pause")
    points.release(point)
    conversation = settle(conversation, thread)
    assert conversation.agent_state == "paused"
    message = services.send_message(conversation_id=conversation.pk, by=owner, text="When you go on")
    assert work(conversation).agent_state == "paused"
    services.give_order(conversation_id=conversation.pk, by=owner, order="resume")
    assert settle(conversation, thread).agent_state == "finished"
    assert said_after(conversation, message.sequence)


@pytest.mark.parametrize("comes", ["ready", "failed", "stop", "pause", "message"])
def test_what_comes_while_an_agent_is_about_to_wait_for_its_sandbox_is_heard(
    owner: User, points: Points, settings: Settings, comes: str
) -> None:
    """It has seen that there is none, and has not said yet that it waits: nobody would say the same again."""
    conversation = start(owner, [FINISH])
    services.send_message(conversation_id=conversation.pk, by=owner, text="And this too")
    points.arm("agent-sandbox-awaited")
    agent, starter = worker(), worker()
    assert conversation.sandbox_id
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(in_thread_of_its_own, run, conversation.pk, agent)
        points.await_reached("agent-sandbox-awaited")
        if comes == "failed":
            settings.SANDBOX_BACKENDS = {"memory": "tests.sandboxes.doubles.NeverReady"}
        if comes in ("ready", "failed"):
            provisioning.bring(conversation.sandbox_id, starter)
        elif comes == "message":
            services.send_message(conversation_id=conversation.pk, by=owner, text="And that")
        else:
            services.give_order(conversation_id=conversation.pk, by=owner, order=comes)  # type: ignore[arg-type]
        points.release("agent-sandbox-awaited")
        waiting.result(20)
    states = {"ready": "finished", "stop": "stopped", "pause": "paused"}
    conversation.refresh_from_db()
    assert conversation.agent_state == states.get(comes, "starting")
    if comes in ("failed", "message"):  # it asked for another start
        settings.SANDBOX_BACKENDS = {"memory": "sandboxes.backends.memory.MemoryBackend"}
        assert work(conversation).agent_state == "finished"


@pytest.mark.parametrize("passes", range(1, 9))
@pytest.mark.parametrize("order", ["stop", "pause"])
def test_an_order_between_any_two_events_is_obeyed(
    owner: User, points: Points, passes: int, order: str
) -> None:
    """`agent-appended` is passed after each of the turn's events: prompt, state, action, observation, …"""
    conversation, thread = begin(owner, points, "agent-appended")
    for _ in range(passes - 1):
        points.arm("agent-appended")
        until(lambda: points.is_reached("agent-appended") or not thread.is_alive())
    services.give_order(conversation_id=conversation.pk, by=owner, order=order)  # type: ignore[arg-type]
    points.release("agent-appended")
    conversation = settle(conversation, thread)
    assert conversation.agent_state in ({"stopped", "finished"} if order == "stop" else {"paused"})
    services.give_order(conversation_id=conversation.pk, by=owner, order="resume")
    services.send_message(conversation_id=conversation.pk, by=owner, text="Go on")
    assert work(conversation).agent_state == "finished"


@pytest.mark.parametrize("point", STARTING)
def test_a_conversation_deleted_while_its_sandbox_starts_leaves_nothing(
    owner: User, points: Points, point: str
) -> None:
    conversation = start(owner, [FINISH])
    sandbox_id = conversation.sandbox_id
    assert sandbox_id
    points.arm(point)
    with ThreadPoolExecutor(1) as threads:
        provisioned = threads.submit(in_thread_of_its_own, provisioning.bring, sandbox_id, worker())
        points.await_reached(point)
        services.delete_conversation(conversation_id=conversation.pk, by=owner)
        points.release(point)
        provisioned.result(20)
    provisioning.bring(sandbox_id, worker())
    assert not Sandbox.objects.filter(pk=sandbox_id).exists()
    assert sandbox_id not in {life.sandbox_id for life in MemoryBackend().lives()}


@pytest.mark.parametrize("point", WORKING)
def test_a_conversation_deleted_at_any_moment_leaves_nothing(
    owner: User, points: Points, settings: Settings, point: str
) -> None:
    """What it sees is an image, whose file is written beside the log."""
    conversation = start(owner, [calls(call("file_editor", command="view", path="seen.png")), FINISH])
    sandbox_id = conversation.sandbox_id
    assert sandbox_id
    provisioning.bring(sandbox_id, worker())
    (settings.SANDBOX_FOLDER / str(sandbox_id) / "seen.png").write_bytes(PNG)
    points.arm(point)
    with ThreadPoolExecutor(1) as threads:
        working = threads.submit(in_thread_of_its_own, run, conversation.pk, worker())
        points.await_reached(point)
        services.delete_conversation(conversation_id=conversation.pk, by=owner)
        removal.remove(conversation.pk)
        points.release(point)
        working.result(20)
    provisioning.bring(sandbox_id, worker())
    assert not default_storage.exists(str(conversation.pk))
    assert not Sandbox.objects.exists()
    assert not LLMCall.objects.exists()
    assert sandbox_id not in {life.sandbox_id for life in MemoryBackend().lives()}


def in_thread_of_its_own(work: Callable[[UUID, UUID], object], *args: UUID) -> None:
    try:
        work(*args)
    finally:
        connection.close()
