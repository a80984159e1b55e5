"""The real loop on the memory backend, with a model whose turns the test writes down."""

import asyncio
import errno
import io
import logging
import threading
from collections.abc import Iterator, Sequence
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import (
    DataError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    ProgrammingError,
)
from pytest_django import Settings

from accounts.models import User
from conversations import services
from conversations.agent.loop import passes
from conversations.llm.base import Delta, OnDelta, Reply, Request, ToolCall, Usage
from conversations.llm.errors import LLMError
from conversations.models import LLMCall
from openhands_site import async_thread
from sandboxes import client
from sandboxes import services as sandboxes
from sandboxes.errors import Discarded
from sandboxes.protocol import ActionRequest
from tests.conversations.agent.driver import kinds, log_of, start, until, work, work_beside, worker
from tests.fakes.models import Held, ScriptedTurns, Turn, call, calls
from tests.stopwatch import Stopwatch

pytestmark = pytest.mark.django_db(transaction=True)

FINISH = calls(call("finish", message="All done."))


def test_a_task_runs_its_commands_and_finishes(owner: User) -> None:
    conversation = work(start(owner, [calls(call("terminal", command="true"), text="Let me look."), FINISH]))
    assert conversation.agent_state == "finished"
    assert kinds(conversation) == [
        "message",
        "state:running",
        "action",
        "observation:ok",
        "action",
        "observation:ok",
        "state:finished",
    ]
    assert conversation.due_since is None
    assert conversation.lease_worker is None


def test_sequences_are_dense_from_one_and_each_reply_has_one_settled_call(owner: User) -> None:
    conversation = work(start(owner, [calls(call("think", thought="hm")), FINISH]))
    assert [event.sequence for event in log_of(conversation)] == list(
        range(1, conversation.last_sequence + 1)
    )
    assert list(LLMCall.objects.values_list("status", flat=True)) == ["done", "done"]


def test_parallel_calls_run_in_order_and_each_gets_its_observation(owner: User) -> None:
    commands = [call("terminal", command=f"true {n}") for n in range(3)]
    conversation = work(start(owner, [calls(*commands), FINISH]))
    events = log_of(conversation)
    actions = [str(event.pk) for event in events if event.kind == "action"]
    observed = [event.payload["action_id"] for event in events if event.kind == "observation"]
    assert actions == observed
    assert len(actions) == 4


def test_after_a_turn_the_sandbox_keeps_no_result_that_is_stored(owner: User) -> None:
    commands = [call("terminal", command=f"true {n}") for n in range(3)]
    conversation = work(start(owner, [calls(*commands), calls(call("terminal", command="true")), FINISH]))
    assert conversation.sandbox_id
    reachable = sandboxes.reach(sandbox_id=conversation.sandbox_id)
    assert reachable
    actions = [event.pk for event in log_of(conversation) if event.payload.get("tool") == "terminal"]
    assert len(actions) == 4

    def is_kept(action_id: UUID) -> bool:
        again = ActionRequest(str(conversation.pk), reachable.boot_id, 10**6, "terminal", {"command": "true"})
        try:
            async_thread.run(client.put_action(reachable, action_id, again)).result(10)
        except Discarded:
            return False
        return True

    assert [is_kept(each) for each in actions[:3]] == [False] * 3
    until(lambda: not is_kept(actions[3]))


def test_a_malformed_call_becomes_an_error_that_the_model_can_mend(owner: User) -> None:
    broken = Reply("", (ToolCall("c1", "terminal", '{"command": '), ToolCall("c2", "nonsense", "{}")))
    wrong = calls(call("terminal", comand="ls"))
    conversation = work(start(owner, [broken, wrong, FINISH]))
    texts = [
        event.payload["content"][0]["text"]
        for event in log_of(conversation)
        if event.kind == "observation" and event.payload["outcome"] == "error"
    ]
    assert "not a JSON object" in texts[0]
    assert "no tool 'nonsense'" in texts[1]
    assert "comand" in texts[2]
    assert conversation.agent_state == "finished"


def test_text_without_a_call_ends_the_turn_and_a_message_goes_on(owner: User) -> None:
    conversation = work(start(owner, [Reply("Which one?"), FINISH]))
    assert conversation.agent_state == "idle"
    services.send_message(conversation_id=conversation.pk, by=owner, text="The first.")
    assert work(conversation).agent_state == "finished"


def test_a_refused_call_ends_in_error_that_says_what_to_do_and_a_resume_tries_again(owner: User) -> None:
    conversation = work(start(owner, [LLMError("Set the key.", code="auth", fault="user"), FINISH]))
    assert conversation.agent_state == "error"
    assert log_of(conversation)[-1].payload["reason"] == "Set the key."
    services.give_order(conversation_id=conversation.pk, by=owner, order="resume")
    assert work(conversation).agent_state == "finished"


def test_the_limit_on_steps_rests_and_a_person_can_go_on(owner: User) -> None:
    thoughts = [calls(call("think", thought=str(n))) for n in range(4)]
    conversation = work(start(owner, [*thoughts, FINISH], max_steps=2))
    assert conversation.agent_state == "limit_reached"
    services.give_order(conversation_id=conversation.pk, by=owner, order="resume")
    assert work(conversation).agent_state == "limit_reached"
    services.send_message(conversation_id=conversation.pk, by=owner, text="Go on")
    assert work(conversation).agent_state == "finished"


def test_the_limit_on_money_rests_and_a_person_can_go_on(owner: User, settings: Settings) -> None:
    settings.LLM_INPUT_COST_PER_TOKEN = settings.LLM_OUTPUT_COST_PER_TOKEN = 0.01
    dear = Usage(prompt_tokens=10, completion_tokens=10, cost=Decimal("0.6"))
    thoughts = [calls(call("think", thought=str(n)), usage=dear) for n in range(3)]
    conversation = work(start(owner, [*thoughts, FINISH], max_budget=Decimal(1)))
    assert conversation.agent_state == "limit_reached"
    assert LLMCall.objects.count() == 2
    services.give_order(conversation_id=conversation.pk, by=owner, order="resume")
    assert work(conversation).agent_state == "finished"


def test_a_stop_during_a_model_call_is_carried_out_within_a_second(owner: User) -> None:
    held = Held(Reply("never said"))
    conversation = start(owner, [held, FINISH])
    thread = work_beside(conversation)
    assert held.begun.wait(10)
    with Stopwatch() as taken:
        services.give_order(conversation_id=conversation.pk, by=owner, order="stop")
        until(lambda: kinds(conversation)[-1] == "state:stopped")
    assert taken.seconds < 1
    thread.join(10)
    assert held.cancelled.wait(5)
    assert LLMCall.objects.get().status == "cancelled"


@pytest.mark.parametrize(("turns", "rests"), [(1, "finished"), (4, "stuck")])
def test_a_pause_at_rest_and_a_resume_lead_on(owner: User, turns: int, rests: str) -> None:
    same = calls(call("think", thought="the same"))
    conversation = work(start(owner, [*[same] * turns, FINISH] if rests == "stuck" else [FINISH]))
    assert conversation.agent_state == rests
    for order in ("pause", "resume"):
        services.give_order(conversation_id=conversation.pk, by=owner, order=order)
    assert work(conversation).agent_state == "finished"


class Interrupted(ScriptedTurns):
    """A model whose first reply is never done with its first words."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        super().__init__(turns)
        self.begun = threading.Event()

    async def complete(self, request: Request, on_delta: OnDelta) -> Reply:
        if not self.begun.is_set():
            on_delta(Delta(1, "text", 0, 0, "I will now"))
            self.begun.set()
            await asyncio.sleep(60)
        return await super().complete(request, on_delta)


def test_a_stop_amid_a_reply_keeps_what_was_said_and_a_resume_leads_on(owner: User) -> None:
    model = Interrupted([FINISH])
    conversation = services.start_conversation(owner=owner, text="Do it", model=model.name)
    thread = work_beside(conversation)
    assert model.begun.wait(10)
    services.give_order(conversation_id=conversation.pk, by=owner, order="stop")
    thread.join(10)
    assert kinds(conversation)[-2:] == ["message", "state:stopped"]
    services.give_order(conversation_id=conversation.pk, by=owner, order="resume")
    assert work(conversation).agent_state == "finished"


def test_a_message_into_a_running_conversation_is_read_before_the_next_call(owner: User) -> None:
    held = Held(calls(call("think", thought="first")))
    conversation = start(owner, [held, FINISH])
    thread = work_beside(conversation)
    assert held.begun.wait(10)
    services.send_message(conversation_id=conversation.pk, by=owner, text="Use the other one")
    held.release()
    thread.join(10)
    assert kinds(conversation)[-1] == "state:finished"
    assert kinds(conversation).count("message") == 2


def test_a_message_during_the_last_call_is_answered_before_the_finish_is_told(owner: User) -> None:
    held = Held(FINISH)
    conversation = start(owner, [held, Reply("That too.")])
    thread = work_beside(conversation)
    assert held.begun.wait(10)
    services.send_message(conversation_id=conversation.pk, by=owner, text="And this?")
    held.release()
    thread.join(10)
    assert "state:finished" not in kinds(conversation)
    assert kinds(conversation)[-1] == "state:idle"


def test_a_pause_waits_for_the_call_and_a_resume_goes_on(owner: User) -> None:
    held = Held(calls(call("terminal", command="true")))
    conversation = start(owner, [held, FINISH])
    thread = work_beside(conversation)
    assert held.begun.wait(10)
    services.give_order(conversation_id=conversation.pk, by=owner, order="pause")
    held.release()
    thread.join(10)
    assert kinds(conversation)[-1] == "state:paused"
    assert work(conversation).agent_state == "paused"
    services.give_order(conversation_id=conversation.pk, by=owner, order="resume")
    assert work(conversation).agent_state == "finished"


def test_orders_with_nobody_at_work_take_effect_at_once(owner: User) -> None:
    conversation = start(owner, [FINISH])
    services.give_order(conversation_id=conversation.pk, by=owner, order="stop")
    assert kinds(conversation) == ["message", "order:stop", "state:stopped"]
    assert work(conversation).agent_state == "stopped"


def test_two_workers_never_hold_one_conversation(owner: User) -> None:
    held = Held(FINISH)
    conversation = start(owner, [held])
    thread = work_beside(conversation)
    assert held.begun.wait(10)
    work(conversation, worker())
    held.release()
    thread.join(10)
    assert kinds(conversation).count("action") == 1
    assert LLMCall.objects.count() == 1


def test_a_stop_at_rest_is_on_record_and_the_next_message_is_answered(owner: User) -> None:
    conversation = work(start(owner, [Reply("Which?"), FINISH, FINISH]))
    services.give_order(conversation_id=conversation.pk, by=owner, order="resume")
    for _ in range(2):
        services.give_order(conversation_id=conversation.pk, by=owner, order="stop")
    services.send_message(conversation_id=conversation.pk, by=owner, text="Go on")
    assert work(conversation).agent_state == "finished"
    services.give_order(conversation_id=conversation.pk, by=owner, order="stop")
    services.send_message(conversation_id=conversation.pk, by=owner, text="And on")
    assert work(conversation).agent_state == "finished"
    assert kinds(conversation).count("state:stopped") == 1


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """The log as a server writes it, with its tracebacks."""
    found = io.StringIO()
    handler = logging.StreamHandler(found)
    handler.setFormatter(next(own.formatter for own in logging.root.handlers if own.name == "console"))
    logging.root.addHandler(handler)
    yield found
    logging.root.removeHandler(handler)


def test_what_the_database_never_takes_ends_the_turn_with_one_call_and_without_the_words_of_the_row(
    owner: User, written: io.StringIO
) -> None:
    reply = calls(call("think", thought="hm"), usage=Usage(prompt_tokens=4711, completion_tokens=-1))
    conversation = work(start(owner, [reply] * 3))
    assert conversation.agent_state == "error"
    assert LLMCall.objects.filter(conversation=conversation).count() == 1
    (error,) = (event.payload for event in log_of(conversation) if event.kind == "error")
    assert (error["code"], error["fault"]) == ("internal", "server")
    assert "IntegrityError" in error["message"]
    assert "IntegrityError" in written.getvalue()
    assert "4711" not in error["message"] + written.getvalue()


@pytest.mark.parametrize(
    ("error", "may_pass"),
    [
        (OperationalError("the server closed the connection"), True),
        (InterfaceError("connection already closed"), True),
        (InternalError("terminating connection due to idle-in-transaction timeout"), True),
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (IntegrityError("violates check constraint"), False),
        (DataError("integer out of range"), False),
        (ProgrammingError("there is no such column"), False),
        (ValueError("a defect"), False),
    ],
    ids=repr,
)
def test_only_what_may_pass_by_itself_is_tried_again(error: Exception, may_pass: bool) -> None:
    assert passes(error) == may_pass
