"""Texts as a page shows them: whole, or of a blob the head and where the rest is."""

from dataclasses import dataclass
from uuid import UUID

from conversations.events import BlobRef, Text


@dataclass(frozen=True)
class Excerpt:
    """`url` leads to the whole text of `size` bytes where `text` is only its head."""

    text: str
    url: str = ""
    size: int = 0


def excerpt(conversation_id: UUID, text: Text) -> Excerpt:
    if isinstance(text, str):
        return Excerpt(text)
    return Excerpt(text.head, blob_url(conversation_id, text), text.size)


def blob_url(conversation_id: UUID, ref: BlobRef) -> str:
    return f"/api/conversations/{conversation_id}/blobs/{ref.blob}"
