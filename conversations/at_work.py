"""What the agents of all conversations are at, for operators: a few queries, whatever the length of the logs."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Exists, OuterRef, Q, Value, When

from conversations import open_actions
from conversations.events import Action, load
from conversations.models import Conversation, Event
from conversations.querysets import ConversationQuerySet
from conversations.rendering.actions import describe_action
from conversations.states import AgentState
from openhands_site.workers.models import Worker

LOOKED_AT = 500  # conversations at work; those whose log says `running` come first
SUMMARY_LIMIT = 120


@dataclass(frozen=True)
class ActionAtWork:
    """An action without an observation; `summary` is a line of what it does.

    `is_held` says that a live worker holds the conversation, and so will record the action's end.
    """

    event: Event
    conversation: Conversation
    is_held: bool
    tool: str
    summary: str


def actions(limit: int) -> tuple[list[ActionAtWork], int]:
    """Those of conversations that are held, due or `running`: the first `limit`, and how many there are. Those that
    nobody who lives holds come first, then the oldest."""
    running = Q(agent_state=AgentState.RUNNING)
    at_work = Conversation.objects.filter(
        running | Q(due_since__isnull=False) | Q(lease_worker__isnull=False)
    ).order_by(Case(When(running, then=Value(0)), default=Value(1)), "due_since")
    found = open_actions.ids_in(at_work, LOOKED_AT)
    live = Worker.objects.live().filter(pk=OuterRef("conversation__lease_worker"))
    rows = Event.objects.filter(pk__in=found).annotate(is_held=Exists(live))
    rows = rows.select_related("conversation__lease_worker").order_by("is_held", "created_at", "sequence")
    return [_described(event) for event in rows[:limit]], len(found)


def left_behind() -> ConversationQuerySet:
    """Conversations whose log says that the agent is at work, while nothing is due and nobody holds them: what was
    wrong with their log stands in the worker's. One that waits for its sandbox is none of them."""
    waits_in_vain = Q(sandbox=None) | Q(sandbox__due_since=None)
    return Conversation.objects.filter(
        Q(agent_state=AgentState.RUNNING) | Q(agent_state=AgentState.STARTING) & waits_in_vain,
        due_since=None,
        lease_worker=None,
    ).order_by("updated_at")


def _described(event: Any) -> ActionAtWork:
    action = load(event.kind, event.payload)
    assert isinstance(action, Action)
    described = describe_action(event.conversation_id, action)
    detail = described.detail.text if described.detail else ""
    summary = " ".join(f"{described.verb} {described.title or detail}".split())
    if len(summary) > SUMMARY_LIMIT:
        summary = f"{summary[:SUMMARY_LIMIT]}…"
    return ActionAtWork(event, event.conversation, event.is_held, action.tool, summary)
