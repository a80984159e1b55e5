import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from conversations import blobs, timeline
from conversations.events import Message
from conversations.models import Conversation, Event, FileRemoval, LLMCall
from conversations.services import start_conversation
from conversations.timeline import Draft
from openhands_site import admin as records
from openhands_site.workers.models import Installation, Worker

PAGES = ["conversations/conversation", "conversations/event", "conversations/blob", "conversations/llmcall"]
PAGES += ["conversations/fileremoval"]


@pytest.fixture
def conversation(owner: User) -> Conversation:
    """One with a row of each kind."""
    made = start_conversation(owner=owner, text="Mend the roof")
    blobs.store(made.pk, b"bytes", "text/plain")
    LLMCall.objects.create(conversation=made, fence=0, model="m", route="r")
    FileRemoval.objects.create(conversation_id=made.pk)
    return made


def first_row(page: str, conversation: Conversation) -> object:
    names = {"event": "events", "blob": "blobs", "llmcall": "llm_calls"}
    name = page.partition("/")[2]
    return getattr(conversation, names[name]).first().pk if name in names else conversation.pk


@pytest.mark.parametrize("page", PAGES)
def test_each_record_is_listed_found_by_its_conversation_and_read(
    as_operator: Client, conversation: Conversation, owner: User, page: str
) -> None:
    row = first_row(page, conversation)
    start_conversation(owner=owner, text="Another")
    found = as_operator.get(f"/admin/{page}/", {"q": str(conversation.pk)})
    assert str(row) in found.content.decode()
    assert "Another" not in found.content.decode()
    assert as_operator.get(f"/admin/{page}/{row}/change/").status_code == 200


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("search", ["roof", "a'b%_\\", "\u00e9", "x" * 500])
def test_any_search_is_answered(
    as_operator: Client, conversation: Conversation, page: str, search: str
) -> None:
    assert as_operator.get(f"/admin/{page}/", {"q": search}).status_code == 200


def test_a_conversation_is_shown_with_its_state_and_leads_to_its_sandbox_but_not_to_its_owners_page(
    as_operator: Client, conversation: Conversation
) -> None:
    page = as_operator.get(f"/admin/conversations/conversation/{conversation.pk}/change/").content.decode()
    assert '<div class="readonly">Starting</div>' in page
    assert conversation.get_absolute_url() not in page
    rows = as_operator.get("/admin/conversations/conversation/").content.decode()
    assert f'<a href="/admin/sandboxes/sandbox/{conversation.sandbox_id}/change/">Starting</a>' in rows


def test_every_model_of_ours_is_in_the_admin() -> None:
    ours = {"accounts", "conversations", "integrations", "sandboxes", "workers"}
    models = [model for model in apps.get_models() if model._meta.app_label in ours]
    assert {model._meta.app_label for model in models} >= ours - {"integrations"}
    assert [model for model in models if not admin.site.is_registered(model)] == []


def test_an_event_is_found_by_what_it_says(as_operator: Client, conversation: Conversation) -> None:
    page = as_operator.get("/admin/conversations/event/", {"q": "mend the ROOF"})
    assert str(conversation.events.get(sequence=1).pk) in page.content.decode()
    assert str(conversation.events.get(sequence=2).pk) not in page.content.decode()


@pytest.mark.parametrize("page", [*PAGES, "workers/worker", "workers/installation"])
def test_no_record_is_added_changed_or_deleted_by_hand(
    as_operator: Client, conversation: Conversation, page: str
) -> None:
    worker = Worker.objects.create(name="agent", host="h", pid=1)
    Installation.objects.create(name="here")
    workers = {"workers/worker": worker.pk, "workers/installation": Installation.THE_ROW}
    row = workers.get(page) or first_row(page, conversation)
    assert as_operator.get(f"/admin/{page}/add/").status_code == 403
    assert as_operator.post(f"/admin/{page}/{row}/delete/", {"post": "yes"}).status_code == 403
    assert (
        as_operator.post(f"/admin/{page}/{row}/change/", {"title": "forged", "kind": "forged"}).status_code
        == 403
    )


def test_selected_conversations_are_stopped_and_the_log_says_by_whom(
    as_operator: Client, conversation: Conversation, operator: User
) -> None:
    selection = {"action": "stop_selected", "_selected_action": [str(conversation.pk)]}
    page = as_operator.post("/admin/conversations/conversation/", selection, follow=True)
    assert "1 told to stop" in page.content.decode()
    conversation.refresh_from_db()
    assert conversation.agent_state == "stopped"
    assert Event.objects.get(kind="control").payload["by"] == str(operator.pk)


def test_an_operator_who_may_only_look_stops_nothing(conversation: Conversation, teammate: User) -> None:
    teammate.is_staff = True
    teammate.save()
    teammate.user_permissions.add(Permission.objects.get(codename="view_conversation"))
    client = Client()
    client.force_login(teammate)
    selection = {"action": "stop_selected", "_selected_action": [str(conversation.pk)]}
    client.post("/admin/conversations/conversation/", selection)
    assert not Event.objects.filter(kind="control").exists()
    assert client.get("/admin/conversations/conversation/").status_code == 200


@pytest.mark.parametrize("page", PAGES)
def test_a_long_list_costs_few_queries_and_is_not_counted_to_its_end(
    as_operator: Client,
    conversation: Conversation,
    page: str,
    django_assert_max_num_queries: DjangoAssertNumQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    timeline.append(conversation.pk, *(Draft(Message(text=str(n)), "user") for n in range(60)))
    monkeypatch.setattr(records, "COUNTED_ROWS", 10)
    with django_assert_max_num_queries(12):
        answer = as_operator.get(f"/admin/{page}/")
    assert answer.status_code == 200
    assert answer.context["cl"].result_count <= 10


def test_a_worker_is_shown_as_live_while_its_heart_beats(as_operator: Client) -> None:
    Worker.objects.create(name="agent", host="here", pid=1)
    Worker.objects.create(name="dead", host="there", pid=2, last_seen="2020-01-01T00:00:00Z")
    page = as_operator.get("/admin/workers/worker/").content.decode()
    assert (page.count("icon-yes"), page.count("icon-no")) == (1, 1)
