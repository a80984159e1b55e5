"""A page of conversations, newest first, by keyset: what is added meanwhile shifts nothing."""

from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db.models import Sum

from conversations import cursors
from conversations.models import Conversation, LLMCall
from conversations.querysets import ConversationQuerySet
from conversations.rendering.events import STATE_LABELS
from conversations.states import RESTING

CONVERSATIONS_A_PAGE = 30


@dataclass(frozen=True)
class Row:
    """`cost` in US dollars is None where nothing of it is known."""

    conversation: Conversation
    label: str
    cost: Decimal | None


@dataclass(frozen=True)
class ListPage:
    """`older` is the cursor of the next page, empty on the last; `is_live` says that something may change soon."""

    rows: list[Row]
    is_first: bool
    older: str
    is_live: bool


def page_of(conversations: ConversationQuerySet, *, before: str = "") -> ListPage:
    """Raises InvalidInputError for a `before` that is no cursor."""
    shown, older = cursors.page(conversations, before, CONVERSATIONS_A_PAGE)
    costs = _costs(shown)
    rows = [Row(each, STATE_LABELS[each.agent_state], costs.get(each.pk)) for each in shown]
    return ListPage(
        rows=rows,
        is_first=not before,
        older=older,
        is_live=any(each.agent_state not in RESTING for each in shown),
    )


def _costs(conversations: list[Conversation]) -> dict[UUID, Decimal | None]:
    calls = LLMCall.objects.filter(conversation__in=conversations).values("conversation")
    return dict(calls.annotate(total=Sum("cost")).values_list("conversation", "total"))
