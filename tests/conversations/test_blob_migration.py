from importlib import import_module

import pytest
from django.apps import apps
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import User
from conversations import blobs
from conversations.services import start_conversation

pytestmark = pytest.mark.django_db
migration = import_module("conversations.migrations.0004_blobs_by_conversation")


def test_a_file_that_two_conversations_shared_becomes_one_of_each(
    owner: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    sharing = [start_conversation(owner=owner, text="Look") for _ in range(2)]
    refs = [(each.pk, blobs.store(each.pk, b"what both saw", "text/plain")) for each in sharing]
    old = f"{refs[0][1].blob[:2]}/{refs[0][1].blob}"
    default_storage.save(old, ContentFile(b"what both saw"))
    for conversation_id, ref in refs:
        default_storage.delete(blobs.path_of(conversation_id, ref.blob))
    # As a run leaves it that was killed in the middle.
    default_storage.save(blobs.path_of(sharing[0].pk, refs[0][1].blob), ContentFile(b"what"))
    with django_capture_on_commit_callbacks(execute=True):
        migration.move(apps, connection.schema_editor)
    assert [blobs.read(conversation_id, ref) for conversation_id, ref in refs] == [b"what both saw"] * 2
    assert not default_storage.exists(old)
