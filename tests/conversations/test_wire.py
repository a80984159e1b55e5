import json
from uuid import uuid4

import pytest

from conversations import timeline, wire
from conversations.events import Action, Error, Message, Observation, SystemPrompt, TextPart
from conversations.models import Conversation
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


def test_work_that_is_due_is_queued_until_a_live_worker_holds_it(conversation: Conversation) -> None:
    def queued() -> bool:
        return wire.statuses([conversation.pk])[conversation.pk].queued

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
    assert wire.statuses([conversation.pk])[conversation.pk].isolation == "bubblewrap"
