"""The open actions: those of a conversation's latest reply that have no observation yet. All before them have one."""

from uuid import UUID

from django.db.models import F, IntegerField, OuterRef, Q, Subquery
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from conversations.models import Event
from conversations.querysets import ConversationQuerySet

A_QUERY = 100  # tails of logs that one query asks for


def ids_in(conversations: ConversationQuerySet, limit: int | None = None) -> list[UUID]:
    """Of the first `limit` of them that ever acted; those of one conversation stand as in its log."""
    latest = Event.objects.filter(conversation=OuterRef("pk"), kind="action").order_by("-sequence")
    first = latest.annotate(first=F("sequence") - Cast(KT("payload__index"), IntegerField())).values("first")
    began = conversations.annotate(first=Subquery(first[:1], output_field=IntegerField()))
    tails = list(began.filter(first__isnull=False).values_list("pk", "first")[:limit])
    return [pk for start in range(0, len(tails), A_QUERY) for pk in _open_in(tails[start : start + A_QUERY])]


def _open_in(tails: list[tuple[UUID, int]]) -> list[UUID]:
    """`tails` say where in the log of which conversation the latest reply begins."""
    stands_there = Q()
    for pk, first in tails:
        stands_there |= Q(conversation=pk, sequence__gte=first)
    events = Event.objects.filter(stands_there, kind__in=("action", "observation"))
    seen = list(
        events.order_by("conversation", "sequence").values_list("pk", "kind", KT("payload__action_id"))
    )
    observed = {action_id for _, kind, action_id in seen if kind == "observation"}
    return [pk for pk, kind, _ in seen if kind == "action" and str(pk) not in observed]
