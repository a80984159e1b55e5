"""An event as HTML: one template a kind, the same for first load, paging and push, and for every viewer.

An action has a slot for its observation. Rendered alone, an observation is a fragment that names its action in
`data-observation-of`, and the page puts it into that slot; `render_timeline` does so for events that are at hand.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString

from conversations.events import (
    Action,
    AgentStateChanged,
    Condensation,
    Control,
    Error,
    ImagePart,
    Message,
    Observation,
    StartupProgress,
    SystemPrompt,
    Text,
    TextPart,
    load,
)
from conversations.models import Event
from conversations.rendering import markdown
from conversations.rendering.actions import describe_action
from conversations.rendering.excerpts import Excerpt, blob_url, excerpt
from conversations.rendering.outcomes import Outcome, describe_outcome
from conversations.states import AgentState
from sandboxes.states import SandboxState

STATE_LABELS: dict[str, str] = {
    AgentState.STARTING: "Starting",
    AgentState.IDLE: "Waiting for you",
    AgentState.RUNNING: "Working",
    AgentState.AWAITING_CONFIRMATION: "Needs your approval",
    AgentState.PAUSED: "Paused",
    AgentState.FINISHED: "Finished",
    AgentState.ERROR: "Error",
    AgentState.STUCK: "Stuck",
    AgentState.LIMIT_REACHED: "Limit reached",
    AgentState.STOPPED: "Stopped",
    # Not a state of the agent: it has work, and no worker is free.
    "queued": "Queued",
}
SANDBOX_LABELS: dict[str, str] = {
    SandboxState.STARTING: "Sandbox starting",
    SandboxState.RUNNING: "Sandbox running",
    SandboxState.PAUSED: "Sandbox paused",
    SandboxState.ERROR: "Sandbox failed",
    SandboxState.MISSING: "Sandbox asleep",  # as after a restart: it starts again when the agent needs it
    "none": "No sandbox",
}
# What follows one of these in the log began no earlier than it.
STEPS = {"action", "observation", "agent_state_changed"}
# States that the page shows by its header alone, or by the error before them; a line of their own would only be noise.
QUIET_STATES = {AgentState.STARTING, AgentState.RUNNING, AgentState.IDLE, AgentState.FINISHED}
ORDER_LABELS = {
    "pause": "Asked to pause after the current action",
    "resume": "Asked to resume",
    "stop": "Asked to stop",
    "approve": "Approved",
    "reject": "Rejected",
    "condense": "Asked to shorten the history",
}
ADVICE = {
    "user": "Check the key and the base URL in your settings, then send a message to go on. A conversation keeps its "
    "model: for another one, start anew.",
    "provider": "Send a message to try again; if it happens again, try another model.",
    "sandbox": "Send a message to start a new sandbox and go on.",
    "server": "Send a message to try again; if it happens again, an administrator finds more in the log of the server.",
}
# Their messages say what to do, and another key would not help.
SELF_EXPLAINING = {"context_window", "content_policy", "disk_full", "empty_reply"}


def render_event(
    event: Event, observation: Event | None = None, *, began: datetime | None = None
) -> SafeString:
    """The event's HTML; of an action with its observation where that is given, else for how long it has run since
    it `began`: where it had to wait for others, that is later than its event."""
    payload = load(event.kind, event.payload)
    context = {"event": event, "payload": payload, **_extras(event, payload)}
    if event.kind == "action":
        context["age"] = max(0.0, (timezone.now() - (began or event.created_at)).total_seconds())
    if observation is not None:
        context |= {"observation": render_event(observation), "outcome": outcome_of(observation)}
    return render_to_string(f"conversations/events/{event.kind}.html", context)


def render_timeline(events: Sequence[Event]) -> list[SafeString]:
    """The events in order, each observation in its action's slot where both are among them."""
    actions = {str(event.pk) for event in events if event.kind == "action"}
    observations = {
        event.payload["action_id"]: event
        for event in events
        if event.kind == "observation" and event.payload["action_id"] in actions
    }
    placed = {event.pk for event in observations.values()}
    last_step = max((event.created_at for event in events if event.kind in STEPS), default=None)
    return [
        render_event(event, observations.get(str(event.pk)), began=last_step)
        for event in events
        if event.pk not in placed
    ]


def outcome_of(event: Event) -> Outcome:
    payload = load(event.kind, event.payload)
    assert isinstance(payload, Observation)
    return describe_outcome(payload)


def _extras(event: Event, payload: Any) -> dict[str, Any]:
    """What the kind's template needs besides the event and its payload."""
    match payload:
        case Message():
            return {"text": _markdown(event, payload.text, keep_breaks=event.source == "user")}
        case Action():
            thought = _markdown(event, payload.thought) if payload.thought else None
            return {"thought": thought, "action": describe_action(event.conversation_id, payload)}
        case Observation():
            return {"outcome": describe_outcome(payload), "parts": _parts(event, payload)}
        case Control():
            return {"label": ORDER_LABELS[payload.order]}
        case Condensation():
            return {"text": _markdown(event, payload.summary)}
        case Error():
            explains_itself = payload.code in SELF_EXPLAINING
            return {
                "advice": "" if explains_itself else ADVICE[payload.fault],
                "is_about_settings": payload.fault == "user" and not explains_itself,
            }
        case SystemPrompt():
            return {"text": excerpt(event.conversation_id, payload.text), "tools": _tool_names(payload)}
        case StartupProgress():
            return {"seconds": payload.milliseconds / 1000}
        case AgentStateChanged():
            quiet = payload.state == "error" or (payload.state in QUIET_STATES and not payload.reason)
            return {"label": STATE_LABELS[payload.state], "quiet": quiet}
    return {}


def _markdown(event: Event, text: Text, *, keep_breaks: bool = False) -> Excerpt:
    shown = excerpt(event.conversation_id, text)
    return Excerpt(markdown.render(shown.text, keep_breaks=keep_breaks), shown.url, shown.size)


def _parts(event: Event, observation: Observation) -> list[dict[str, Any]]:
    return [_part(event, part) for part in observation.content]


def _part(event: Event, part: TextPart | ImagePart) -> dict[str, Any]:
    if isinstance(part, ImagePart):
        return {"image": blob_url(event.conversation_id, part.image)}
    return {"text": excerpt(event.conversation_id, part.text)}


def _tool_names(prompt: SystemPrompt) -> list[str]:
    return [tool.get("function", {}).get("name", "?") for tool in prompt.tools]
