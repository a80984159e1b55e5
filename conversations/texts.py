"""Reading texts and images back whole, wherever they are kept."""

from base64 import b64encode
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from conversations import blobs
from conversations.events import BlobRef, Text


class TextReader(Protocol):
    """Both raise FileNotFoundError where the storage lost the bytes."""

    def text(self, text: Text) -> str:
        """The text, whole."""
        ...

    def data_url(self, image: BlobRef) -> str:
        """The image as a `data:` URL, which a model takes."""
        ...


@dataclass(frozen=True)
class StoredTexts:
    """The reader of the running product: a conversation's blobs come from Django's storage."""

    conversation_id: UUID

    def text(self, text: Text) -> str:
        return text if isinstance(text, str) else blobs.read(self.conversation_id, text).decode()

    def data_url(self, image: BlobRef) -> str:
        data = blobs.read(self.conversation_id, image)
        return f"data:{image.media_type};base64,{b64encode(data).decode()}"
