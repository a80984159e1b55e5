from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from accounts.models import User
from conversations import blobs, timeline
from conversations.events import AgentStateChanged, BlobRef, Message, Observation, TextPart, load
from conversations.models import Blob, Conversation, Event
from conversations.states import IllegalTransitionError
from conversations.texts import StoredTexts
from conversations.timeline import Draft, LeaseLostError


@pytest.fixture
def conversation(owner: User) -> Conversation:
    return Conversation.objects.create(owner=owner, title="A task", model="scripted/demo", max_steps=5)


def test_events_are_numbered_densely_and_the_row_repeats_the_last_number(conversation: Conversation) -> None:
    timeline.append(conversation.pk, *(Draft(Message(text=str(n)), "user") for n in range(3)))
    timeline.append(conversation.pk, Draft(Message(text="last"), "user"))
    assert list(conversation.events.values_list("sequence", flat=True)) == [1, 2, 3, 4]
    conversation.refresh_from_db()
    assert conversation.last_sequence == 4


def test_an_old_fence_writes_nothing(conversation: Conversation) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(lease_fence=7)
    with pytest.raises(LeaseLostError):
        timeline.append(conversation.pk, Draft(Message(text="late"), "agent"), fence=6)
    assert not Event.objects.exists()


def test_an_illegal_change_of_state_is_refused_and_leaves_no_event(conversation: Conversation) -> None:
    timeline.append(conversation.pk, Draft(AgentStateChanged(state="running"), "system"))
    with pytest.raises(IllegalTransitionError):
        timeline.append(conversation.pk, Draft(AgentStateChanged(state="running"), "system"))
    assert conversation.events.count() == 1


def test_the_same_id_cannot_be_written_twice(conversation: Conversation) -> None:
    same = uuid4()
    timeline.append(conversation.pk, Draft(Message(text="one"), "user", id=same))
    with pytest.raises(IntegrityError), transaction.atomic():
        timeline.append(conversation.pk, Draft(Message(text="two"), "user", id=same))


def test_a_long_text_becomes_a_blob_that_is_read_back_whole(conversation: Conversation) -> None:
    text = "ö" * 100_000
    (event,) = timeline.append(conversation.pk, Draft(Message(text=text), "user"))
    stored = load("message", Event.objects.get(pk=event.pk).payload)
    assert isinstance(stored, Message)
    assert isinstance(stored.text, BlobRef)
    assert stored.text.size == 200_000
    assert len(stored.text.head.encode()) <= blobs.HEAD_BYTES
    assert StoredTexts(conversation.pk).text(stored.text) == text
    assert Blob.objects.get().conversation == conversation


def test_what_no_database_takes_is_replaced_and_the_rest_is_kept(conversation: Conversation) -> None:
    (event,) = timeline.append(conversation.pk, Draft(Message(text="a\x00b\ud800c 😀 \\u0000"), "agent"))
    event.refresh_from_db()
    assert event.payload["text"] == "a\ufffdb?c 😀 \\u0000"


def test_of_many_texts_only_the_longest_are_moved(conversation: Conversation) -> None:
    parts = [TextPart(text="a" * 50_000), TextPart(text="b" * 30_000)]
    (event,) = timeline.append(
        conversation.pk, Draft(Observation(action_id=uuid4(), outcome="ok", content=parts), "sandbox")
    )
    first, second = event.payload["content"]
    assert first["text"]["size"] == 50_000
    assert second["text"] == "b" * 30_000


def test_watchers_are_told_on_commit_how_far_the_log_is(
    conversation: Conversation, django_capture_on_commit_callbacks: object
) -> None:
    with django_capture_on_commit_callbacks(execute=True) as callbacks:  # type: ignore[operator]
        timeline.append(conversation.pk, Draft(Message(text="hello"), "user"), wake=True)
    assert callbacks
    conversation.refresh_from_db()
    assert conversation.due_since is not None
