"""Reading texts and images back whole, wherever they are kept."""

from base64 import b64encode
from typing import Protocol

from conversations import blobs
from conversations.events import BlobRef, Text


class TextReader(Protocol):
    def text(self, text: Text) -> str: ...

    def data_url(self, image: BlobRef) -> str: ...


class StoredTexts:
    """The reader of the running product: blobs come from Django's storage."""

    def text(self, text: Text) -> str:
        return blobs.text_of(text)

    def data_url(self, image: BlobRef) -> str:
        return f"data:{image.media_type};base64,{b64encode(blobs.read(image)).decode()}"
