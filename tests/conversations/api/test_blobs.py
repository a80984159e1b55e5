import pytest
from django.core.files.storage import default_storage
from django.test import Client

from accounts.models import User
from conversations import blobs
from conversations.models import Conversation
from conversations.services import start_conversation

PNG = b"\x89PNG\r\n\x1a\n"


def test_an_image_is_shown_with_headers_that_let_it_do_nothing(
    client: Client, conversation: Conversation
) -> None:
    ref = blobs.store(conversation.pk, PNG, "image/png")
    response = client.get(f"/api/conversations/{conversation.pk}/blobs/{ref.blob}")
    assert (response.status_code, response.content) == (200, PNG)
    assert response["Content-Type"] == "image/png"
    assert response["Content-Disposition"].startswith("inline")
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"


@pytest.mark.parametrize(
    "media_type", ["text/html", "image/svg+xml", "application/json", "text/plain; x", ""]
)
def test_what_a_browser_could_run_is_only_downloaded(
    client: Client, conversation: Conversation, media_type: str
) -> None:
    ref = blobs.store(conversation.pk, b"<script>alert(1)</script>", media_type)
    response = client.get(f"/api/conversations/{conversation.pk}/blobs/{ref.blob}")
    assert response["Content-Type"] == "application/octet-stream"
    assert response["Content-Disposition"].startswith("attachment")


def test_a_blob_of_another_conversation_is_not_there(
    client: Client, conversation: Conversation, owner: User
) -> None:
    ref = blobs.store(conversation.pk, PNG, "image/png")
    other = start_conversation(owner=owner, text="Other")
    assert client.get(f"/api/conversations/{other.pk}/blobs/{ref.blob}").status_code == 404


def test_a_blob_whose_file_is_lost_is_not_found_and_says_why(
    client: Client, conversation: Conversation
) -> None:
    ref = blobs.store(conversation.pk, b"only here", "text/plain")
    default_storage.delete(blobs.path_of(conversation.pk, ref.blob))
    response = client.get(f"/api/conversations/{conversation.pk}/blobs/{ref.blob}")
    assert (response.status_code, "lost" in response.json()["error"]["message"]) == (404, True)
