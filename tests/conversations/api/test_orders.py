from uuid import uuid4

import pytest
from django.test import Client

from conversations.models import Conversation, Event
from conversations.wire import to_wire

JSON = "application/json"


@pytest.fixture
def address(conversation: Conversation) -> str:
    return f"/api/conversations/{conversation.pk}"


def test_a_message_is_the_event_that_the_log_holds(client: Client, address: str) -> None:
    response = client.post(f"{address}/messages", {"text": "And now this"}, JSON)
    assert response.status_code == 201
    assert response.json() == to_wire(Event.objects.get(pk=response.json()["id"]))
    assert response.json()["payload"]["text"] == "And now this"


def test_a_message_sent_twice_with_its_client_id_is_one_event(client: Client, address: str) -> None:
    body = {"text": "Once", "client_id": str(uuid4())}
    first, again = (client.post(f"{address}/messages", body, JSON) for _ in range(2))
    other = client.post(f"{address}/messages", {**body, "text": "Twice"}, JSON)
    assert first.json() == again.json()
    assert first.json()["id"] == body["client_id"]
    assert (other.status_code, other.json()["error"]["field"]) == (409, "client_id")


@pytest.mark.parametrize("order", ["pause", "resume", "stop"])
@pytest.mark.parametrize("body", ["", "{}", '{"client_id": null}'])
def test_an_order_needs_no_body(client: Client, address: str, order: str, body: str) -> None:
    response = client.post(f"{address}/{order}", body, JSON)
    assert response.status_code == 201, response.content
    assert response.json()["payload"]["order"] == order


def test_a_stop_before_anything_began_stops(client: Client, address: str) -> None:
    client.post(f"{address}/stop", "", JSON)
    assert client.get(address).json()["agent_state"] == "stopped"
    assert Conversation.objects.get().due_since is None


def test_a_misspelt_field_of_an_order_is_refused(client: Client, address: str) -> None:
    response = client.post(f"{address}/stop", {"clientid": str(uuid4())}, JSON)
    assert (response.status_code, response.json()["error"]["field"]) == (422, "clientid")


def test_a_message_of_a_million_characters_fits_and_one_more_does_not(client: Client, address: str) -> None:
    assert client.post(f"{address}/messages", {"text": "é" * 1_000_000}, JSON).status_code == 201
    assert (
        client.post(f"{address}/messages", {"text": "é" * 1_000_001}, JSON).json()["error"]["field"] == "text"
    )
