import json
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from conversations import timeline, wire
from conversations.events import Message
from conversations.models import Conversation, LLMCall
from conversations.sockets import pages
from conversations.sockets.pages import Page
from conversations.timeline import Draft
from conversations.wire import Line
from openhands_site.prepared import rows_of


def test_a_frame_holds_at_most_200_events_and_about_a_million_characters() -> None:
    short = [Line(n, "{}") for n in range(1, 452)]
    assert [(frame.events, frame.last) for frame in pages.frames(short)] == [
        (200, 200),
        (200, 400),
        (51, 451),
    ]
    long = [Line(n, "x" * 300_000) for n in range(1, 6)]
    assert [frame.events for frame in pages.frames(long)] == [3, 2]
    assert [frame.events for frame in pages.frames([Line(1, "x" * 3_000_000)])] == [1]
    assert list(pages.frames([])) == []


def test_a_frame_knows_its_size_in_bytes() -> None:
    [frame] = pages.frames([Line(1, '"é🙂"')])
    assert frame.size == len(frame.text.encode())


def test_a_page_at_the_end_of_the_log_brings_status_and_usage_and_costs_three_queries(
    conversation: Conversation, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(3 if connection.vendor == "sqlite" else 2):  # two go together there
        page = pages.read_page(conversation.pk, 0, html=False)
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
    page = pages.read_page(conversation.pk, 0, html=False)
    assert (page.status, page.frames[-1].last) == (None, 200)


def read_while_one_writes(conversation: Conversation, messages: int, monkeypatch: pytest.MonkeyPatch) -> Page:
    """A page, with as many messages committed after its first query."""

    def one_after_the_other(status: Any, lines: Any) -> list[Any]:
        found = rows_of(status)
        timeline.append(conversation.pk, *(Draft(Message(text=str(n)), "user") for n in range(messages)))
        return [*found, *rows_of(lines)]

    with monkeypatch.context() as patch:
        patch.setattr(wire, "rows_of", one_after_the_other)
        return pages.read_page(conversation.pk, 0, html=False)


def test_what_came_after_the_status_is_left_to_the_next_read(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = conversation.events.count()
    page = read_while_one_writes(conversation, 3, monkeypatch)
    assert page.status
    assert page.status.last_sequence == page.frames[-1].last == before
    rest = pages.read_page(conversation.pk, page.frames[-1].last, html=False)
    assert [frame.events for frame in rest.frames] == [3]


def test_where_more_came_meanwhile_than_a_read_holds_more_follows(
    conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = read_while_one_writes(conversation, 250, monkeypatch)
    assert (page.status, page.frames[-1].last) == (None, wire.EVENTS_A_READ)


def test_a_client_ahead_of_the_log_has_a_page_without_events(conversation: Conversation) -> None:
    page = pages.read_page(conversation.pk, 1_000, html=False)
    assert (page.frames, page.gone) == ((), False)
    assert page.status


def test_a_conversation_that_is_not_there_is_gone(db: None) -> None:
    assert pages.read_page(uuid4(), 0, html=False).gone


def test_a_cost_that_is_not_known_is_null(conversation: Conversation) -> None:
    LLMCall.objects.create(
        conversation=conversation, fence=1, model="m", route="r", status="done", prompt_tokens=5
    )
    frame = json.loads(pages.usage_frame(conversation.pk))
    assert (frame["cost"], frame["unpriced_calls"], frame["prompt_tokens"]) == (None, 1, 5)
