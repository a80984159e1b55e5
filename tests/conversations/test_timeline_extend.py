"""The log extended without a look at the row before: where all is as expected, and otherwise not at all."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import User
from conversations import timeline
from conversations.events import AgentStateChanged, Control, Message, Payload, TitleChanged
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


def test_only_what_tells_of_the_log_changes_in_the_row(conversation: Conversation) -> None:
    """A wake-up that came meanwhile is not lost."""
    timeline.append(conversation.pk, Draft(Control(order="resume"), "user"), wake=True)
    before: dict[str, Any] = dict(Conversation.objects.values().get())
    given = extend(conversation, "four", "five", after=3)
    assert given is not None
    after: dict[str, Any] = dict(Conversation.objects.values().get())
    assert {name for name in before if before[name] != after[name]} == {"last_sequence", "updated_at"}
    assert after["last_sequence"] == 5
    assert before["due_since"] is not None


def test_the_events_are_as_an_append_leaves_them(conversation: Conversation) -> None:
    given = extend(conversation, "three", "four", also=rename)
    assert given is not None
    assert [event.sequence for event in given] == [3, 4]
    assert log(conversation) == ["one", "two", "three", "four"]
    assert Conversation.objects.get().model == "changed"
    stored = list(conversation.events.filter(sequence__gt=2))
    assert [(each.pk, each.payload, each.created_at) for each in stored] == [
        (each.pk, each.payload, each.created_at) for each in given
    ]
    [appended] = timeline.append(conversation.pk, *said("five"))
    assert appended.sequence == 5


def test_an_old_fence_is_found_out_also_with_nothing_to_append(conversation: Conversation) -> None:
    assert extend(conversation, fence=6, also=rename) is None
    assert extend(conversation, fence=7) == []
    assert Conversation.objects.get().model == "m"


def test_what_else_goes_wrong_undoes_the_events(conversation: Conversation) -> None:
    def fail() -> None:
        raise IntegrityError("another row's")

    with pytest.raises(IntegrityError):
        extend(conversation, "mine", also=fail)
    assert log(conversation) == ["one", "two"]
    assert Conversation.objects.get().last_sequence == 2


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
        Control(order="pause"),
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


class NotAfterAllError(Exception):
    pass


def foreign_events(conversation: Conversation, count: int) -> None:
    timeline.append(conversation.pk, *said(*(f"theirs {n}" for n in range(count))))


def takeover(conversation: Conversation) -> None:
    Conversation.objects.filter(pk=conversation.pk).update(lease_fence=8)


def given_up(conversation: Conversation) -> None:
    foreign_events(conversation, 2)
    raise NotAfterAllError


@pytest.mark.parametrize(
    "others, is_stored",
    [
        *((partial(foreign_events, count=count), False) for count in (1, 2, 3)),
        (takeover, False),
        (given_up, True),
    ],
)
def test_whoever_holds_the_row_is_waited_for_before_it_is_judged(
    conversation: Conversation, others: Callable[[Conversation], None], is_stored: bool
) -> None:
    """They append as many events as we would, or more, or fewer; they take the lease; or they undo it all."""
    written, begun = threading.Event(), threading.Event()

    def ours() -> list[Event] | None:
        try:
            written.wait(10)
            begun.set()
            return extend(conversation, "mine", "also mine")
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads:
        waits = threads.submit(ours)
        with suppress(NotAfterAllError), transaction.atomic():
            try:
                Conversation.objects.select_for_update().get(pk=conversation.pk)
                others(conversation)
            finally:
                written.set()
                begun.wait(10)
                time.sleep(0.3)
                assert not waits.done()
        assert (waits.result(10) is not None) == is_stored
    assert ("mine" in log(conversation)) == is_stored
    assert Conversation.objects.get().last_sequence == conversation.events.count()


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
