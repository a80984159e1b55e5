"""The opaque cursor of a list: the key of its last item, so that new items move no page. For pages and API alike."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime
from uuid import UUID

from conversations.errors import InvalidInputError
from conversations.models import Conversation
from conversations.querysets import ConversationQuerySet


def page(conversations: ConversationQuerySet, cursor: str, limit: int) -> tuple[list[Conversation], str]:
    """The first `limit` of them after the cursor, newest first, and the cursor of what follows, empty on the last page.

    Raises InvalidInputError for a cursor that no page gave.
    """
    if cursor:
        conversations = conversations.older_than(*decode(cursor))
    found = list(conversations.newest_first()[: limit + 1])
    shown = found[:limit]
    return shown, encode(shown[-1].updated_at, shown[-1].pk) if len(found) > limit else ""


def encode(moment: datetime, pk: UUID) -> str:
    return urlsafe_b64encode(f"{moment.isoformat()}|{pk}".encode()).decode().rstrip("=")


def decode(cursor: str) -> tuple[datetime, UUID]:
    """Raises InvalidInputError for what `encode` did not make."""
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        moment, pk = text.split("|")
        parsed = datetime.fromisoformat(moment)
        if parsed.tzinfo is None:
            raise ValueError(moment)
        return parsed.astimezone(UTC), UUID(pk)
    except (ValueError, OverflowError):  # the latter where UTC has no such year
        raise InvalidInputError(
            "This cursor is none that a list gave as `next`; leave it out to begin at the start.",
            field="cursor",
        ) from None
