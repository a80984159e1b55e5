"""What becomes of an order: carried out at once where no live worker holds the conversation, else left to it."""

from uuid import UUID

from conversations import open_actions, timeline
from conversations.events import AgentStateChanged, Control, Observation, Part, TextPart
from conversations.models import Conversation, Event
from conversations.states import SETTLED, AgentState
from conversations.timeline import Draft
from openhands_site.workers import leases

INTERRUPTED = "Interrupted: a person stopped the agent."


def record(conversation: Conversation, draft: Draft) -> Event:
    """Appends the order to a locked conversation and does what can be done without the agent's loop."""
    assert isinstance(draft.payload, Control)
    order = draft.payload.order
    if order == "resume" or leases.is_held(conversation):
        return timeline.write(conversation, draft, wake=order == "resume")[0]
    if order == "pause" and _open_actions(conversation) and conversation.agent_state == AgentState.RUNNING:
        # A dead worker may have sent one of them: another has to see how it ended before the log may rest.
        return timeline.write(conversation, draft, wake=True)[0]
    followers = _stop(conversation) if order == "stop" else _pause(conversation)
    # What may go on in the sandbox, a worker has yet to end there; before the first `running` there is nothing.
    wake = order == "stop" and bool(followers) and conversation.agent_state != AgentState.STARTING
    # Nobody holds it, but one presumed dead may wake up: the raised fence keeps it out.
    conversation.lease_worker = None
    conversation.lease_fence += 1
    return timeline.write(conversation, draft, *followers, wake=wake)[0]


def interruption(action_id: UUID) -> Draft:
    """The end of an action that a stop closes without a word from the sandbox, which has yet to hear of it."""
    content: list[Part] = [TextPart(text=INTERRUPTED)]
    meta = {"unconfirmed": True}
    return Draft(
        Observation(action_id=action_id, outcome="interrupted", content=content, meta=meta), "system"
    )


def _open_actions(conversation: Conversation) -> list[UUID]:
    return open_actions.ids_in(Conversation.objects.filter(pk=conversation.pk))


def _stop(conversation: Conversation) -> list[Draft]:
    """What a stop means with nobody at work: open actions end, and a turn that was due does not begin."""
    if conversation.agent_state in SETTLED and conversation.due_since is None:
        return []
    interrupted = [interruption(pk) for pk in _open_actions(conversation)]
    state = []
    if conversation.agent_state != AgentState.STOPPED:
        state = [Draft(AgentStateChanged(state="stopped"), "system")]
    return interrupted + state


def _pause(conversation: Conversation) -> list[Draft]:
    if conversation.agent_state == AgentState.PAUSED:
        return []
    return [Draft(AgentStateChanged(state="paused"), "system")]
