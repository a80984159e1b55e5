"""Reading texts and images back whole, wherever they are kept."""

from base64 import b64encode
from typing import Protocol

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


class StoredTexts:
    """The reader of the running product: blobs come from Django's storage."""

    def text(self, text: Text) -> str:
        return text if isinstance(text, str) else blobs.read(text).decode()

    def data_url(self, image: BlobRef) -> str:
        return f"data:{image.media_type};base64,{b64encode(blobs.read(image)).decode()}"
