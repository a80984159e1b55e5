"""What the agents of all conversations are at, for operators: a few queries, whatever the length of the logs."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Case, Exists, F, IntegerField, OuterRef, Q, Subquery, Value, When
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from conversations.events import Action, load
from conversations.models import Conversation, Event
from conversations.querysets import ConversationQuerySet
from conversations.rendering.actions import describe_action
from conversations.states import AgentState
from openhands_site.workers.models import Worker

LOOKED_AT = 500  # conversations at work; those whose log says `running` come first
A_QUERY = 100  # tails of logs that one query asks for
SUMMARY_LIMIT = 120


@dataclass(frozen=True)
class OpenAction:
    """An action without an observation; `summary` is a line of what it does.

    `is_held` says that a live worker holds the conversation, and so will record the action's end.
    """

    event: Event
    conversation: Conversation
    is_held: bool
    tool: str
    summary: str


def open_actions(limit: int) -> tuple[list[OpenAction], int]:
    """Those of conversations that are held, due or `running`: the first `limit`, and how many there are. Those that
    nobody who lives holds come first, then the oldest."""
    tails = list(_first_of_last_replies())
    found = [
        pk for start in range(0, len(tails), A_QUERY) for pk in _unobserved(tails[start : start + A_QUERY])
    ]
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


def _first_of_last_replies() -> Iterable[tuple[UUID, int]]:
    """Of conversations at work: which, and where in its log the actions of the latest reply begin."""
    running = Q(agent_state=AgentState.RUNNING)
    latest = Event.objects.filter(conversation=OuterRef("pk"), kind="action").order_by("-sequence")
    first = latest.annotate(first=F("sequence") - Cast(KT("payload__index"), IntegerField())).values("first")
    return (
        Conversation.objects.filter(running | Q(due_since__isnull=False) | Q(lease_worker__isnull=False))
        .annotate(first=Subquery(first[:1], output_field=IntegerField()))
        .order_by(Case(When(running, then=Value(0)), default=Value(1)), "due_since")
        .filter(first__isnull=False)
        .values_list("pk", "first")[:LOOKED_AT]
    )


def _unobserved(tails: list[tuple[UUID, int]]) -> list[UUID]:
    """The actions in these tails of logs that have no observation."""
    stands_there = Q()
    for pk, first in tails:
        stands_there |= Q(conversation=pk, sequence__gte=first)
    events = Event.objects.filter(stands_there, kind__in=("action", "observation"))
    seen = list(events.values_list("pk", "kind", KT("payload__action_id")))
    observed = {action_id for _, kind, action_id in seen if kind == "observation"}
    return [pk for pk, kind, _ in seen if kind == "action" and str(pk) not in observed]


def _described(event: Any) -> OpenAction:
    action = load(event.kind, event.payload)
    assert isinstance(action, Action)
    described = describe_action(event.conversation_id, action)
    detail = described.detail.text if described.detail else ""
    summary = " ".join(f"{described.verb} {described.title or detail}".split())
    if len(summary) > SUMMARY_LIMIT:
        summary = f"{summary[:SUMMARY_LIMIT]}…"
    return OpenAction(event, event.conversation, event.is_held, action.tool, summary)
