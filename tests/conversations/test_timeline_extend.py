"""The log extended without a look at the row before: as expected it is one message, and otherwise nothing at all."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from accounts.models import User
from conversations import timeline
from conversations.events import AgentStateChanged, Message, Payload, TitleChanged
from conversations.models import Conversation, Event
from conversations.timeline import Draft

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def conversation(owner: User) -> Conversation:
    made = Conversation.objects.create(owner=owner, title="A task", model="m", max_steps=5, lease_fence=7)
    timeline.append(made.pk, *said("one", "two"))
    made.refresh_from_db()
    return made


def said(*texts: str) -> list[Draft]:
    return [Draft(Message(text=text), "agent") for text in texts]


def extend(
    conversation: Conversation,
    *texts: str,
    fence: int = 7,
    after: int = 2,
    also: Callable[[], object] = lambda: None,
) -> list[Event] | None:
    return timeline.extend(conversation.pk, said(*texts), fence=fence, after=after, also=also)


def log(conversation: Conversation) -> list[str]:
    return [event.payload["text"] for event in conversation.events.order_by("sequence")]


def rename() -> None:
    """A row that is kept or lost with the events."""
    Conversation.objects.update(model="changed")


def test_events_and_row_are_as_an_append_leaves_them(conversation: Conversation) -> None:
    given = extend(conversation, "three", "four", also=rename)
    assert given is not None
    assert [event.sequence for event in given] == [3, 4]
    assert log(conversation) == ["one", "two", "three", "four"]
    before = conversation.updated_at
    conversation.refresh_from_db()
    assert (conversation.last_sequence, conversation.model) == (4, "changed")
    assert conversation.updated_at > before
    stored = list(conversation.events.filter(sequence__gt=2))
    assert [(each.pk, each.payload, each.created_at) for each in stored] == [
        (each.pk, each.payload, each.created_at) for each in given
    ]
    [appended] = timeline.append(conversation.pk, *said("five"))
    assert appended.sequence == 5


@pytest.mark.parametrize("texts", [("mine",), ("mine", "also mine")])
@pytest.mark.parametrize("fence, after", [(6, 2), (8, 2), (7, 1), (7, 3), (6, 1), (7, 0)])
def test_where_fence_or_last_event_is_another_nothing_is_stored(
    conversation: Conversation, texts: tuple[str, ...], fence: int, after: int
) -> None:
    assert extend(conversation, *texts, fence=fence, after=after, also=rename) is None
    assert log(conversation) == ["one", "two"]
    before = (conversation.last_sequence, conversation.updated_at, "m")
    conversation.refresh_from_db()
    assert (conversation.last_sequence, conversation.updated_at, conversation.model) == before


def test_a_conversation_that_is_gone_takes_nothing(conversation: Conversation) -> None:
    Conversation.objects.filter(pk=conversation.pk).delete()
    assert extend(conversation, "mine") is None
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    "payload",
    [
        AgentStateChanged(state="running"),
        TitleChanged(title="Another"),
        Message(text="x" * timeline.PAYLOAD_LIMIT),
    ],
)
def test_what_needs_more_than_that_is_left_to_an_append(conversation: Conversation, payload: Payload) -> None:
    drafts = [*said("before"), Draft(payload, "system")]
    assert timeline.extend(conversation.pk, drafts, fence=7, after=2, also=rename) is None
    assert log(conversation) == ["one", "two"]
    assert Conversation.objects.get().model == "m"


def test_what_no_database_takes_is_replaced(conversation: Conversation) -> None:
    assert extend(conversation, "a\x00b\ud800c") is not None
    assert log(conversation)[-1] == "a\ufffdb?c"


@pytest.mark.parametrize("foreign", [1, 2, 3])
def test_whoever_writes_meanwhile_is_waited_for_and_then_nothing_is_stored(
    conversation: Conversation, foreign: int
) -> None:
    """Others append as many events as we would, or more, or fewer."""
    others = [f"theirs {n}" for n in range(foreign)]
    written = threading.Event()

    def ours() -> list[Event] | None:
        try:
            written.wait(10)
            return extend(conversation, "mine", "also mine")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        waits = threads.submit(ours)
        with transaction.atomic():
            timeline.append(conversation.pk, *said(*others))
            written.set()
            time.sleep(0.3)
            assert not waits.done()
        assert waits.result(10) is None
    assert log(conversation) == ["one", "two", *others]


def test_of_many_who_extend_at_once_each_event_is_stored_once_and_without_a_gap(
    conversation: Conversation,
) -> None:
    def write(name: int) -> list[str]:
        stored = []
        try:
            for number in range(20):
                text = f"{name}.{number}"
                last = Conversation.objects.values_list("last_sequence", flat=True).get()
                if extend(conversation, text, f"{text}+", after=last) is not None:
                    stored += [text, f"{text}+"]
        finally:
            connection.close()
        return stored

    with ThreadPoolExecutor(4) as threads:
        stored = [text for texts in threads.map(write, range(4)) for text in texts]
    assert sorted(log(conversation)) == sorted(["one", "two", *stored])
    assert len(stored) >= 40
    sequences = list(conversation.events.order_by("sequence").values_list("sequence", flat=True))
    assert sequences == list(range(1, len(stored) + 3))
    assert Conversation.objects.get().last_sequence == len(stored) + 2
