"""The opaque cursor of a list: the key of its last item, so that new items move no page. For pages and API alike."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from uuid import UUID

from conversations.errors import InvalidInputError


def encode(moment: datetime, pk: UUID) -> str:
    return urlsafe_b64encode(f"{moment.isoformat()}|{pk}".encode()).decode().rstrip("=")


def decode(cursor: str) -> tuple[datetime, UUID]:
    """Raises InvalidInputError for what `encode` did not make."""
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        moment, pk = text.split("|")
        parsed = datetime.fromisoformat(moment), UUID(pk)
    except ValueError:
        parsed = None
    if parsed is None or parsed[0].tzinfo is None:
        raise InvalidInputError(
            "This cursor is none that a list gave as `next`; leave it out to begin at the start.",
            field="cursor",
        )
    return parsed
