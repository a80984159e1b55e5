from base64 import urlsafe_b64encode
from uuid import uuid4

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from conversations.models import Conversation, Event
from conversations.services import start_conversation

ADDRESS = "/api/conversations"
JSON = "application/json"


def test_a_post_starts_a_conversation_and_says_where_it_is(client: Client) -> None:
    body = {"initial_message": "Count the files", "max_steps": 3, "max_budget": 2.5}
    response = client.post(ADDRESS, body, JSON)
    assert response.status_code == 201
    conversation = Conversation.objects.get()
    assert response.json() == {
        "id": str(conversation.pk),
        "title": "Count the files",
        "agent_state": "starting",
        "sandbox_state": "starting",
        "last_sequence": conversation.last_sequence,
        "url": f"http://testserver/conversations/{conversation.pk}/",
        "events_url": f"http://testserver/api/conversations/{conversation.pk}/events",
    }
    assert (conversation.max_steps, str(conversation.max_budget)) == (3, "2.5000")


def test_the_same_idempotency_key_is_the_same_conversation_and_with_another_body_a_conflict(
    client: Client,
) -> None:
    key = {"Idempotency-Key": "task-1"}
    first = client.post(ADDRESS, {"initial_message": "a"}, JSON, headers=key)
    again = client.post(ADDRESS, {"initial_message": "a"}, JSON, headers=key)
    other = client.post(ADDRESS, {"initial_message": "b"}, JSON, headers=key)
    assert (first.status_code, again.status_code, other.status_code) == (201, 201, 409)
    assert first.json()["id"] == again.json()["id"]
    assert other.json()["error"]["code"] == "conflict"
    assert Conversation.objects.count() == 1


@pytest.mark.parametrize(
    "body, field",
    [
        ({}, "initial_message"),
        ({"initial_message": "  "}, "initial_message"),
        ({"initial_message": "a", "max_budgett": 1}, "max_budgett"),
        ({"initial_message": "a", "max_steps": 0}, "max_steps"),
        ({"initial_message": "a", "max_steps": "many"}, "max_steps"),
        ({"initial_message": "a", "max_budget": -1}, "max_budget"),
        ({"initial_message": "a", "max_budget": "NaN"}, "max_budget"),
        ({"initial_message": "a", "title": "t" * 201}, "title"),
        ({"initial_message": "a", "model": "gpt 5"}, "model"),
        ({"initial_message": "a", "model": "openai/" + "x" * 194}, "model"),
        ([], ""),
    ],
)
def test_a_wrong_body_is_refused_with_the_field_and_a_sentence(
    client: Client, body: object, field: str
) -> None:
    response = client.post(ADDRESS, body, JSON)
    assert response.status_code == 422
    error = response.json()["error"]
    assert (error["code"], error.get("field", "")) == ("invalid", field)
    assert error["message"].endswith(".")
    assert not Conversation.objects.exists()


def test_the_list_pages_by_key_and_a_new_conversation_moves_no_page(client: Client, owner: User) -> None:
    made = [start_conversation(owner=owner, text=f"task {n}") for n in range(5)]
    first = client.get(ADDRESS, {"limit": 2}).json()
    start_conversation(owner=owner, text="another")
    second = client.get(ADDRESS, {"limit": 2, "cursor": first["next"]}).json()
    third = client.get(ADDRESS, {"limit": 2, "cursor": second["next"]}).json()
    listed = [item["id"] for page in (first, second, third) for item in page["items"]]
    assert listed == [str(conversation.pk) for conversation in reversed(made)]
    assert third["next"] is None


def test_a_page_of_the_list_costs_the_same_queries_however_long_it_is(
    client: Client, owner: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for n in range(10):
        start_conversation(owner=owner, text=f"task {n}")
    client.get(ADDRESS)
    with django_assert_num_queries(2):  # the key and the page
        assert len(client.get(ADDRESS).json()["items"]) == 10


@pytest.mark.parametrize("cursor", ["x", "%00", "bm8gY3Vyc29y", "MjAyNi0wMS0wMXxubw", "é" * 8, "a" * 201])
def test_a_cursor_that_no_list_gave_is_refused_with_a_sentence(client: Client, cursor: str) -> None:
    response = client.get(ADDRESS, {"cursor": cursor})
    assert response.status_code == 422
    assert response.json()["error"]["field"] == "cursor"


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_moment_that_no_calendar_has_is_no_cursor(client: Client, moment: str) -> None:
    cursor = urlsafe_b64encode(f"{moment}|{uuid4()}".encode()).decode()
    response = client.get(ADDRESS, {"cursor": cursor})
    assert (response.status_code, response.json()["error"]["field"]) == (422, "cursor")


def test_a_title_is_changed_and_the_change_is_an_event(client: Client, conversation: Conversation) -> None:
    response = client.patch(f"{ADDRESS}/{conversation.pk}", {"title": "New name"}, JSON)
    assert (response.status_code, response.json()["title"]) == (200, "New name")
    assert client.get(f"{ADDRESS}/{conversation.pk}").json() == response.json()
    assert Event.objects.filter(kind="title_changed").count() == 1


def test_a_deleted_conversation_is_gone(client: Client, conversation: Conversation) -> None:
    response = client.delete(f"{ADDRESS}/{conversation.pk}")
    assert (response.status_code, response.content) == (204, b"")
    assert client.get(f"{ADDRESS}/{conversation.pk}").status_code == 404
