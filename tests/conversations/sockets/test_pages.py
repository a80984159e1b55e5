import json
from uuid import uuid4

from django.db import connection
from pytest_django import DjangoAssertNumQueries

from conversations import timeline, wire
from conversations.events import Message, Observation
from conversations.models import Conversation, LLMCall
from conversations.sockets import pages
from conversations.sockets.pages import Page
from conversations.timeline import Draft
from conversations.wire import Line, Status


def read(conversation: Conversation, after: int = 0, *, knows_usage: bool = False) -> Page:
    return pages.read_page(conversation.pk, after, html=False, knows_usage=knows_usage)


def line(sequence: int, text: str = "{}", kind: str = "message") -> Line:
    return Line(sequence, text, kind)


def status(last_sequence: int) -> Status:
    return Status(last_sequence, "running", None, None, False, "A task")


def test_a_frame_holds_about_a_million_characters() -> None:
    long = [line(n, "x" * 300_000) for n in range(1, 6)]
    assert [frame.events for frame in pages.frames(long)] == [3, 2]
    assert [frame.events for frame in pages.frames([line(1, "x" * 3_000_000)])] == [1]
    assert list(pages.frames([])) == []


def test_a_frame_knows_its_size_in_bytes() -> None:
    [frame] = pages.frames([line(1, '"é🙂"')])
    assert frame.size == len(frame.text.encode())


def test_a_page_at_the_end_of_the_log_brings_status_and_usage_and_asks_for_nothing_else(
    conversation: Conversation, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(3 if connection.vendor == "sqlite" else 2):  # two go together there
        page = read(conversation)
    assert page.status
    assert page.status.last_sequence == page.frames[-1].last
    assert json.loads(page.status.text) == {
        "type": "status",
        "agent_state": "starting",
        "sandbox_state": "starting",
        "isolation": None,
        "queued": False,
        "title": "Begin",
    }
    assert json.loads(page.usage)["cost"] == 0


def test_a_full_page_says_that_more_follows(conversation: Conversation) -> None:
    timeline.append(conversation.pk, *(Draft(Message(text=str(n)), "user") for n in range(250)))
    page = read(conversation)
    assert (page.status, page.frames[-1].last) == (None, 200)


def test_what_came_after_the_status_is_left_to_the_next_read() -> None:
    page = pages.page_of(status(last_sequence=2), [line(1), line(2), line(3)])
    assert page.status
    assert page.status.last_sequence == page.frames[-1].last == 2


def test_where_more_came_meanwhile_than_a_read_holds_more_follows() -> None:
    page = pages.page_of(status(last_sequence=2), [line(n) for n in range(1, wire.EVENTS_A_READ + 1)])
    assert (page.status, page.frames[-1].last) == (None, wire.EVENTS_A_READ)


def test_whoever_knows_the_usage_is_not_told_again_after_an_observation_alone(
    conversation: Conversation,
) -> None:
    before = conversation.last_sequence
    seen = Draft(Observation(action_id=uuid4(), outcome="ok"), "sandbox")
    timeline.append(conversation.pk, seen)
    assert read(conversation, before, knows_usage=True).usage == ""
    assert read(conversation, before, knows_usage=False).usage
    timeline.append(conversation.pk, Draft(Message(text="Now"), "agent"), Draft(seen.payload, "sandbox"))
    assert read(conversation, before, knows_usage=True).usage


def test_a_client_ahead_of_the_log_has_a_page_without_events(conversation: Conversation) -> None:
    page = read(conversation, 1_000)
    assert (page.frames, page.gone) == ((), False)
    assert page.status


def test_a_conversation_that_is_not_there_is_gone(db: None) -> None:
    assert pages.read_page(uuid4(), 0, html=False, knows_usage=True).gone


def test_a_cost_that_is_not_known_is_null(conversation: Conversation) -> None:
    LLMCall.objects.create(
        conversation=conversation, fence=1, model="m", route="r", status="done", prompt_tokens=5
    )
    frame = json.loads(pages.usage_frame(conversation.pk))
    assert (frame["cost"], frame["unpriced_calls"], frame["prompt_tokens"]) == (None, 1, 5)
