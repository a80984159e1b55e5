import json
from uuid import uuid4

import pytest
from pytest_django import DjangoAssertNumQueries

from conversations import timeline, wire
from conversations.events import Action, Error, Message, Observation, SystemPrompt, TextPart
from conversations.models import Conversation, LLMCall
from conversations.timeline import Draft
from openhands_site.workers.models import Worker
from sandboxes.models import Runtime

STRANGE = '“hé” 🙂 \\ " \n \u2028 \x7f </script> %s {}'


@pytest.mark.parametrize(
    "payload",
    [
        Message(text=STRANGE, by=uuid4()),
        Action(
            call_id=uuid4(),
            index=0,
            tool_call_id="c",
            tool="terminal",
            arguments={"command": STRANGE, STRANGE: [1.5, None, True, 2**53]},
        ),
        Observation(action_id=uuid4(), outcome="ok", content=[TextPart(text=STRANGE)], meta={"exit_code": 0}),
        Error(code="x", message=STRANGE),
        SystemPrompt(text=STRANGE, tools=[{"a": {}}]),
    ],
)
def test_the_text_that_is_passed_on_says_what_the_event_says(
    conversation: Conversation, payload: object
) -> None:
    [event] = timeline.append(conversation.pk, Draft(payload, "agent"))  # type: ignore[arg-type]
    event.refresh_from_db()
    [line] = wire.lines_after(conversation.pk, event.sequence - 1)
    assert json.loads(line.json) == wire.to_wire(event)


def test_a_frame_holds_at_most_200_events_and_about_a_million_characters() -> None:
    short = [wire.Line(n, "{}") for n in range(1, 452)]
    assert [(frame.events, frame.last) for frame in wire.frames(short)] == [(200, 200), (200, 400), (51, 451)]
    long = [wire.Line(n, "x" * 300_000) for n in range(1, 6)]
    assert [frame.events for frame in wire.frames(long)] == [3, 2]
    assert [frame.events for frame in wire.frames([wire.Line(1, "x" * 3_000_000)])] == [1]
    assert list(wire.frames([])) == []


def test_a_frame_knows_its_size_in_bytes() -> None:
    [frame] = wire.frames([wire.Line(1, '"é🙂"')])
    assert frame.size == len(frame.text.encode())


def test_a_page_at_the_end_of_the_log_brings_status_and_usage_and_costs_three_queries(
    conversation: Conversation, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(3):
        page = wire.read_page(conversation.pk, 0, html=False)
    assert page.status
    assert page.status.last_sequence == page.frames[-1].last
    assert json.loads(page.status.text) == {
        "type": "status",
        "agent_state": "starting",
        "sandbox_state": "starting",
        "isolation": None,
        "queued": False,
        "title": "Begin",
    }
    assert json.loads(page.usage)["cost"] == 0


def test_a_full_page_says_that_more_follows(conversation: Conversation) -> None:
    timeline.append(conversation.pk, *(Draft(Message(text=str(n)), "user") for n in range(250)))
    page = wire.read_page(conversation.pk, 0, html=False)
    assert (page.status, page.frames[-1].last) == (None, 200)


def test_a_conversation_that_is_not_there_is_gone(db: None) -> None:
    assert wire.read_page(uuid4(), 0, html=False).gone


def test_work_that_is_due_is_queued_until_a_live_worker_holds_it(conversation: Conversation) -> None:
    def queued() -> bool:
        return bool(json.loads(wire.statuses([conversation.pk])[conversation.pk].text)["queued"])

    timeline.append(conversation.pk, Draft(Message(text="Go"), "user"), wake=True)
    assert queued()
    worker = Worker.objects.create(name="agent", host="h", pid=1)
    Conversation.objects.update(lease_worker=worker)
    assert not queued()
    Worker.objects.update(last_seen="2020-01-01T00:00:00Z")
    assert queued()


def test_the_isolation_is_that_of_the_runtime_that_lives(conversation: Conversation) -> None:
    sandbox = conversation.sandbox
    assert sandbox
    Runtime.objects.create(
        sandbox=sandbox, backend="process", isolation="none", ended_at="2026-01-01T00:00:00Z"
    )
    Runtime.objects.create(sandbox=sandbox, backend="process", isolation="bubblewrap")
    assert json.loads(wire.statuses([conversation.pk])[conversation.pk].text)["isolation"] == "bubblewrap"


def test_a_cost_that_is_not_known_is_null(conversation: Conversation) -> None:
    LLMCall.objects.create(
        conversation=conversation, fence=1, model="m", route="r", status="done", prompt_tokens=5
    )
    frame = json.loads(wire.usage_frame(conversation.pk))
    assert (frame["cost"], frame["unpriced_calls"], frame["prompt_tokens"]) == (None, 1, 5)
