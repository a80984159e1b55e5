"""With a conversation its files go, whatever dies in between, and no others."""

import uuid
from collections.abc import Iterator

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import User
from conversations import blobs, removal, sweep, tasks
from conversations.events import BlobRef
from conversations.models import Conversation, FileRemoval
from conversations.services import delete_conversation, start_conversation
from openhands_site.workers.rhythm import Rhythm

BYTES = b"the same in both"


@pytest.fixture
def ref(conversation: Conversation) -> Iterator[BlobRef]:
    yield blobs.store(conversation.pk, BYTES, "text/plain")
    blobs.remove_all(conversation.pk)


def is_kept(conversation: Conversation, ref: BlobRef) -> bool:
    return default_storage.exists(blobs.path_of(conversation.pk, ref.blob))


def test_a_deletion_that_is_undone_removes_no_file(
    conversation: Conversation, owner: User, ref: BlobRef
) -> None:
    with transaction.atomic():
        delete_conversation(conversation_id=conversation.pk, by=owner)
        transaction.set_rollback(True)
    tasks.remove_files(str(conversation.pk))
    assert blobs.read(conversation.pk, ref) == BYTES


def test_a_deleted_conversations_files_are_removed_and_the_same_bytes_of_another_stay(
    conversation: Conversation,
    owner: User,
    ref: BlobRef,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    other = start_conversation(owner=owner, text="Another")
    blobs.store(other.pk, BYTES, "text/plain")
    with django_capture_on_commit_callbacks() as callbacks:
        delete_conversation(conversation_id=conversation.pk, by=owner)
    assert len(callbacks) == 3  # whoever watches is told, the sandbox is removed, and so are the files
    for _ in range(2):
        tasks.remove_files(str(conversation.pk))
    assert not is_kept(conversation, ref)
    assert not default_storage.exists(str(conversation.pk))
    assert not FileRemoval.objects.exists()
    assert blobs.read(other.pk, ref) == BYTES
    blobs.remove_all(other.pk)


def test_the_files_of_a_deleted_user_go_too(conversation: Conversation, owner: User, ref: BlobRef) -> None:
    owner.delete()
    tasks.remove_files(str(conversation.pk))
    assert not is_kept(conversation, ref)


def test_what_a_killed_process_did_not_remove_a_sweep_finds(
    conversation: Conversation, owner: User, ref: BlobRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete_conversation(conversation_id=conversation.pk, by=owner)
    monkeypatch.setattr(sweep, "_removals", Rhythm(60))
    found = list(sweep.sweep_removals(uuid.uuid4(), 10))
    assert found == [(removal.TASK, str(conversation.pk))]
    assert list(sweep.sweep_removals(uuid.uuid4(), 10)) == []  # not again within the minute
    tasks.remove_files(found[0][1])
    assert not is_kept(conversation, ref)


def test_a_removal_that_the_storage_refuses_stays_due(
    conversation: Conversation, owner: User, ref: BlobRef
) -> None:
    delete_conversation(conversation_id=conversation.pk, by=owner)
    default_storage.save(f"{conversation.pk}/in the way/x", ContentFile(b""))
    with pytest.raises(OSError, match="not empty"):
        tasks.remove_files(str(conversation.pk))
    assert FileRemoval.objects.filter(pk=conversation.pk).exists()
    default_storage.delete(f"{conversation.pk}/in the way/x")
    default_storage.delete(f"{conversation.pk}/in the way")
    tasks.remove_files(str(conversation.pk))
    assert not FileRemoval.objects.exists()
