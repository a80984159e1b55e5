import pytest
from django.test import Client

from accounts.models import User
from conversations import timeline
from conversations.events import Message, Observation, TextPart
from conversations.models import Conversation, Event
from conversations.services import start_conversation
from conversations.timeline import Draft
from conversations.wire import to_wire


@pytest.fixture
def conversation(owner: User) -> Conversation:
    return start_conversation(owner=owner, text='Say “hé” 🙂 \\ " \u2028')


def test_a_page_holds_the_events_as_the_log_does(client: Client, conversation: Conversation) -> None:
    action = Event.objects.filter(conversation=conversation).earliest("sequence").pk
    seen = Observation(
        action_id=action, outcome="ok", content=[TextPart(text="1.0\t\x1b[0m</script>")], meta={"a": 1.5e300}
    )
    timeline.append(conversation.pk, Draft(seen, "sandbox"))
    page = client.get(f"/api/conversations/{conversation.pk}/events").json()
    assert page == {"items": [to_wire(event) for event in conversation.events.all()], "next": None}
    assert page["items"][0]["payload"]["text"] == 'Say “hé” 🙂 \\ " \u2028'
    assert page["items"][0]["created_at"].endswith("Z")
    assert len(page["items"][0]["created_at"]) == len("2026-01-01T00:00:00.000000Z")


def test_pages_follow_one_another_without_gap_or_repetition(
    client: Client, conversation: Conversation
) -> None:
    timeline.append(conversation.pk, *(Draft(Message(text=str(n)), "user") for n in range(450)))
    address, sequences = f"/api/conversations/{conversation.pk}/events", []
    after: int | None = 0
    while after is not None:
        page = client.get(address, {"after": after, "limit": 201}).json()
        sequences += [item["sequence"] for item in page["items"]]
        after = page["next"]
    assert sequences == list(range(1, conversation.events.count() + 1))


def test_a_page_of_long_events_ends_early_and_says_where_to_go_on(
    client: Client, conversation: Conversation
) -> None:
    timeline.append(conversation.pk, *(Draft(Message(text="x" * 60_000), "user") for _ in range(150)))
    page = client.get(f"/api/conversations/{conversation.pk}/events", {"limit": 1000}).json()
    assert 100 < len(page["items"]) < 150
    assert page["next"] == page["items"][-1]["sequence"]


def test_beyond_the_end_of_the_log_a_page_is_empty(client: Client, conversation: Conversation) -> None:
    page = client.get(f"/api/conversations/{conversation.pk}/events", {"after": 10**12}).json()
    assert page == {"items": [], "next": None}


@pytest.mark.parametrize(
    "query", [{"after": "-1"}, {"after": "x"}, {"limit": "0"}, {"limit": "1001"}, {"after": 2**63}]
)
def test_a_wrong_query_is_refused_with_the_field(
    client: Client, conversation: Conversation, query: dict[str, str]
) -> None:
    response = client.get(f"/api/conversations/{conversation.pk}/events", query)
    assert response.status_code == 422
    assert response.json()["error"]["field"] in query
