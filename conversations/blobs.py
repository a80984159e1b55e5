"""Bytes and long texts beside the event log: a file named by its sha256, and a row that a conversation owns it by."""

import hashlib
from uuid import UUID

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from conversations.events import BlobRef
from conversations.models import Blob

HEAD_BYTES = 4096


def path_of(sha256: str) -> str:
    return f"{sha256[:2]}/{sha256}"


def store(conversation_id: UUID, data: bytes, media_type: str) -> BlobRef:
    """Keeps `data` and returns its reference. Call it in the transaction that writes the event."""
    sha256 = hashlib.sha256(data).hexdigest()
    path = path_of(sha256)
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


def read(ref: BlobRef) -> bytes:
    """The bytes, whole. Raises FileNotFoundError where the storage lost them."""
    with default_storage.open(path_of(ref.blob)) as file:
        return bytes(file.read())
