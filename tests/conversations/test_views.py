import re
from collections.abc import Callable
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from accounts.services import save_settings
from conversations import listing, services, timeline, views
from conversations.events import AgentStateChanged, Message
from conversations.models import Conversation, LLMCall
from conversations.timeline import Draft

pytestmark = pytest.mark.django_db
Begin = Callable[..., Conversation]


@pytest.fixture
def page(client: Client, owner: User) -> Client:
    client.force_login(owner)
    return client


@pytest.fixture
def begin(owner: User) -> Begin:
    return lambda text="Fix the build", by=owner: services.start_conversation(owner=by, text=text)


def say(conversation: Conversation, count: int) -> None:
    timeline.append(conversation.pk, *(Draft(Message(text=f"word {n}"), "agent") for n in range(count)))


def sequences(html: str) -> list[int]:
    return [int(found) for found in re.findall(r'data-sequence="(\d+)"', html)]


def test_who_is_not_signed_in_is_asked_to(client: Client, begin: Begin) -> None:
    pk = begin().pk
    for method, name, args in (
        ("get", "list", []),
        ("post", "create", []),
        ("get", "detail", [pk]),
        ("get", "older", [pk]),
        ("post", "rename", [pk]),
        ("post", "delete", [pk]),
    ):
        response = getattr(client, method)(reverse(f"conversations:{name}", args=args))
        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/login/?next=")


def test_a_stranger_s_conversation_is_not_there(page: Client, begin: Begin, stranger: User) -> None:
    other = begin(by=stranger)
    for method, name in (("get", "detail"), ("get", "older"), ("post", "rename"), ("post", "delete")):
        response = getattr(page, method)(reverse(f"conversations:{name}", args=[other.pk]), {"title": "mine"})
        assert response.status_code == 404
    assert other.title not in page.get("/").content.decode()
    assert Conversation.objects.get(pk=other.pk).title == other.title


def test_an_empty_list_says_how_to_begin(page: Client) -> None:
    html = page.get("/").content.decode()
    assert "Nothing here yet" in html
    assert "Connect a model" in html


def test_the_example_fills_the_form(page: Client) -> None:
    link = re.search(r'href="(\?text=[^"]*)"', page.get("/").content.decode())
    assert link
    assert "```bash" in page.get("/" + link[1]).content.decode()


def test_the_list_shows_title_and_state_and_follows_what_is_at_work(page: Client, begin: Begin) -> None:
    conversation = begin("Fix <the> build")
    html = page.get("/").content.decode()
    assert "Fix &lt;the&gt; build" in html
    assert "Starting" in html
    assert "hx-trigger" in html
    timeline.append(conversation.pk, Draft(AgentStateChanged(state="finished"), "system"))
    html = page.get("/").content.decode()
    assert "Finished" in html
    assert "hx-trigger" not in html


def test_the_list_goes_on_where_a_page_ends(
    page: Client, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "CONVERSATIONS_A_PAGE", 2)
    titles = [begin(f"Task {n}").title for n in range(5)][::-1]
    shown, address = [], "/"
    while address:
        html = page.get(address).content.decode()
        shown += re.findall(r'conversations-title"[^>]*>([^<]*)<', html)
        older = re.search(r'href="(\?before=[^"]*)"', html)
        address = "/" + older[1] if older else ""
    assert shown == titles
    assert "What should the agent do" not in html


def test_a_cursor_that_no_page_gave_leads_nowhere(page: Client) -> None:
    assert page.get("/?before=nonsense").status_code == 404


def test_a_task_begins_a_conversation_and_opens_it(page: Client, owner: User) -> None:
    response = page.post("/conversations/", {"text": "Fix it", "model": "scripted/demo", "max_steps": "7"})
    conversation = Conversation.objects.get(owner=owner)
    assert response["Location"] == f"/conversations/{conversation.pk}/"
    assert (conversation.model, conversation.max_steps) == ("scripted/demo", 7)


def test_a_form_that_is_sent_twice_begins_one_conversation(page: Client) -> None:
    form = {"text": "Fix it", "key": str(uuid4())}
    first, second = page.post("/conversations/", form), page.post("/conversations/", form)
    assert first["Location"] == second["Location"]
    assert page.post("/conversations/", {**form, "text": "Another"})["Location"] != first["Location"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"text": ""}, "Say what the agent should do."),
        ({"text": "keep <this>", "max_steps": "0"}, "whole number from 1"),
        ({"text": "keep <this>", "max_steps": "many"}, "whole number"),
        ({"text": "keep <this>", "max_budget": "1.23456"}, "an amount such as 2.50"),
        ({"text": "keep <this>", "max_budget": "1", "model": "unheard-of/model"}, "The price of"),
    ],
)
def test_bad_input_comes_back_with_the_reason_and_the_text(
    page: Client, given: dict[str, str], problem: str
) -> None:
    response = page.post("/conversations/", given)
    html = response.content.decode()
    assert response.status_code == 422
    assert problem in html
    assert html.count("aria-invalid") == 1
    assert "keep &lt;this&gt;" in html or not given["text"]
    assert not Conversation.objects.exists()


def test_a_provider_s_key_that_is_lost_closes_no_page(
    page: Client, owner: User, begin: Begin, settings: Settings
) -> None:
    save_settings(
        user=owner, name="", llm_model="openai/gpt-5", llm_base_url="", llm_api_key="sk-abcdefghijkl"
    )
    settings.SECRET_KEYS = [Fernet.generate_key().decode()]
    address = begin().get_absolute_url()
    for open_page in ("/", address, f"{address}events/?before=2", "/settings/"):
        assert page.get(open_page).status_code == 200, open_page
    assert "openai/gpt-5" in page.get("/").content.decode()
    refused = page.post("/conversations/", {"text": "keep this", "max_steps": "0"})
    assert refused.status_code == 422
    assert "keep this" in refused.content.decode()
    assert page.post("/conversations/", {"text": "Fix it"}).status_code == 302


def test_a_page_opens_with_the_newest_events_and_pages_back_without_gap_or_repeat(
    page: Client, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "EVENTS_A_PAGE", 10)
    conversation = begin()
    say(conversation, 33)
    html = page.get(conversation.get_absolute_url()).content.decode()
    last = Conversation.objects.get(pk=conversation.pk).last_sequence
    assert f'data-after="{last}"' in html
    seen = sequences(html)
    while older := re.search(r'<older-events data-before="(\d+)"', html):
        html = page.get(f"{conversation.get_absolute_url()}events/", {"before": older[1]}).content.decode()
        seen = sequences(html) + seen
    assert seen == list(range(1, last + 1))


def test_the_page_runs_under_the_content_security_policy(page: Client, begin: Begin) -> None:
    conversation = begin()
    say(conversation, 3)
    for address in ("/", conversation.get_absolute_url()):
        response = page.get(address)
        html = response.content.decode()
        assert "script-src 'self'" in response["Content-Security-Policy"]
        assert not re.search(r"<script(?![^>]*\ssrc=)", html)
        assert not re.search(r"\s(style|on\w+|hx-on\S*)=", html)


@pytest.mark.parametrize("before", ["", "x", "-1", "9" * 30, "٣"])
def test_older_events_are_asked_for_by_a_number(page: Client, begin: Begin, before: str) -> None:
    assert page.get(f"{begin().get_absolute_url()}events/", {"before": before}).status_code == 404


def test_a_conversation_is_renamed_in_place(page: Client, begin: Begin) -> None:
    address = f"{begin().get_absolute_url()}rename/"
    html = page.post(address, {"title": "Better <name>"}, headers={"HX-Request": "true"}).content.decode()
    assert "<h1 data-title>Better &lt;name&gt;</h1>" in html
    assert page.post(address, {"title": "Best"}).status_code == 302
    assert Conversation.objects.get().title == "Best"


def test_a_title_that_is_none_is_refused_where_it_was_typed(page: Client, begin: Begin) -> None:
    conversation = begin()
    address = f"{conversation.get_absolute_url()}rename/"
    html = page.post(address, {"title": " "}, headers={"HX-Request": "true"}).content.decode()
    assert "A title needs a character." in html
    assert Conversation.objects.get().title == conversation.title


def test_a_conversation_is_deleted(page: Client, begin: Begin) -> None:
    assert page.post(f"{begin().get_absolute_url()}delete/")["Location"] == "/"
    assert not Conversation.objects.exists()


@pytest.mark.parametrize("name", ["create", "rename", "delete"])
def test_what_changes_something_is_posted(page: Client, begin: Begin, name: str) -> None:
    args = [] if name == "create" else [begin().pk]
    assert page.get(reverse(f"conversations:{name}", args=args)).status_code == 405


def test_what_is_not_there_has_a_page_of_ours(page: Client) -> None:
    response = page.get("/nowhere/")
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()


def test_a_page_shows_what_was_spent_and_what_keeps_the_sandbox_in(page: Client, begin: Begin) -> None:
    conversation = begin()
    assert conversation.sandbox
    conversation.sandbox.runtimes.create(backend="process", isolation="none")
    html = page.get(conversation.get_absolute_url()).content.decode()
    assert 'data-isolation="none"' in html
    assert "$0.00" in html


def test_the_image_is_asked_for_where_there_is_a_choice(
    client: Client, owner: User, settings: Settings
) -> None:
    client.force_login(owner)
    settings.SANDBOX_IMAGES = ["python:*"]
    assert b'name="image"' not in client.get("/").content  # these sandboxes have none
    settings.SANDBOX_BACKENDS = {"memory": "tests.sandboxes.doubles.WithImages"}
    assert b"Allowed: python:*" in client.get("/").content
    refused = client.post(reverse("conversations:create"), {"text": "Hello", "image": "node:22"})
    assert refused.status_code == 422
    assert b"is not allowed here" in refused.content
    assert b'<details class="options" open>' in refused.content


def test_the_list_asks_as_often_with_many_conversations_as_with_one(
    page: Client, begin: Begin, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    begin()
    page.get("/")
    with CaptureQueriesContext(connection) as alone:
        page.get("/")
    for number in range(listing.CONVERSATIONS_A_PAGE):
        conversation = begin(f"Task {number}")
        say(conversation, 3)
        LLMCall.objects.create(conversation=conversation, fence=1, model="m", route="r", cost=1)
    with django_assert_num_queries(len(alone)):
        html = page.get("/").content.decode()
    assert html.count("Task ") >= listing.CONVERSATIONS_A_PAGE
    assert len(alone) <= 8


def test_the_live_page_asks_as_often_for_a_long_log_as_for_a_short_one(
    page: Client, begin: Begin, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    conversation = begin()
    address = conversation.get_absolute_url()
    page.get(address)
    with CaptureQueriesContext(connection) as short:
        page.get(address)
    say(conversation, views.EVENTS_A_PAGE + 50)
    with django_assert_num_queries(len(short)):
        html = page.get(address).content.decode()
    assert len(sequences(html)) == views.EVENTS_A_PAGE
    assert len(short) <= 8
