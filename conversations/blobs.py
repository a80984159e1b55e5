"""Bytes and long texts beside the event log: a file in the conversation's folder, named by its sha256, and a row.

No two conversations share a file, so with a conversation goes its folder, and nobody counts references.
"""

import hashlib
from contextlib import suppress
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from conversations.events import BlobRef
from conversations.models import Blob

HEAD_BYTES = 4096


def path_of(conversation_id: UUID, sha256: str) -> str:
    return f"{conversation_id}/{sha256}"


def store(conversation_id: UUID, data: bytes, media_type: str) -> BlobRef:
    """Keeps `data` and returns its reference. Call it in the transaction that writes the event, under
    the conversation's lock: a file written after its deletion would be nobody's."""
    sha256 = hashlib.sha256(data).hexdigest()
    path = path_of(conversation_id, sha256)
    kept = default_storage.exists(path)
    if kept and default_storage.size(path) != len(data):  # a full disk or a kill cut it short
        default_storage.delete(path)
        kept = False
    if not kept:
        try:
            default_storage.save(path, ContentFile(data))
        except OSError:
            default_storage.delete(path)  # of a full disk even a part takes room
            raise
    Blob.objects.get_or_create(
        conversation_id=conversation_id,
        sha256=sha256,
        defaults={"media_type": media_type, "size": len(data)},
    )
    head = data[:HEAD_BYTES].decode(errors="ignore") if media_type.startswith("text/") else ""
    return BlobRef(blob=sha256, media_type=media_type, size=len(data), head=head)


def read(conversation_id: UUID, ref: BlobRef) -> bytes:
    """The bytes, whole. Raises FileNotFoundError where the storage lost them."""
    with default_storage.open(path_of(conversation_id, ref.blob)) as file:
        return bytes(file.read())


def remove_all(conversation_id: UUID) -> None:
    """Removes every file of the conversation, also those of transactions that were undone. Repeatable."""
    folder = str(conversation_id)
    with suppress(FileNotFoundError):
        for name in default_storage.listdir(folder)[1]:
            default_storage.delete(f"{folder}/{name}")
    default_storage.delete(folder)
