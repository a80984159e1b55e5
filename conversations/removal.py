"""The files of a deleted conversation.

That they are to go is a row, written in the transaction of the deletion: whatever dies in between, they go, and no file
goes that no such row names, whatever else the storage holds.
"""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.signals import post_delete
from django.dispatch import receiver

from conversations import blobs
from conversations.models import Conversation, FileRemoval
from openhands_site import hints

TASK = "conversations.tasks.remove_files"


@receiver(post_delete, sender=Conversation)
def note_deletion(instance: Conversation, **_: Any) -> None:
    """However it was deleted: by its owner, or with them."""
    FileRemoval.objects.create(conversation_id=instance.pk)
    conversation_id = str(instance.pk)
    transaction.on_commit(lambda: hints.enqueue(TASK, conversation_id))


def remove(conversation_id: UUID) -> None:
    """Removes the files, where a deletion is noted. Repeatable."""
    due = FileRemoval.objects.filter(pk=conversation_id)
    if due.exists():
        blobs.remove_all(conversation_id)
        due.delete()
