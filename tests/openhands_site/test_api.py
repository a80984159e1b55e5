"""That every error of the API has one form, and who may call it."""

from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from accounts.services import create_api_key

ADDRESS = "/api/conversations"
JSON = "application/json"


@pytest.fixture
def with_key(key: str) -> Client:
    return Client(headers={"authorization": f"Bearer {key}"})


@pytest.fixture
def browser(owner: User) -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(owner)
    return client


def error_of(response: Any, status: int) -> dict[str, str]:
    assert isinstance(response, HttpResponse)
    assert (response.status_code, response["Content-Type"]) == (status, "application/json")
    body = response.json()  # type: ignore[attr-defined]
    assert set(body) == {"error"}
    assert set(body["error"]) <= {"code", "message", "field"}
    assert body["error"]["message"].endswith((".", "`."))
    return dict(body["error"])


@pytest.mark.parametrize("method", ["get", "post"])
def test_without_credentials_nothing_answers_and_the_answer_says_what_to_send(db: None, method: str) -> None:
    response = Client(enforce_csrf_checks=True).generic(method.upper(), ADDRESS)
    assert error_of(response, 401)["code"] == "unauthenticated"
    assert response["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("header", ["Bearer nonsense", "Bearer ", "bearer oh_0000", "Bearer \x00é"])
def test_a_wrong_key_is_refused_even_beside_a_session(browser: Client, header: str) -> None:
    error_of(browser.get(ADDRESS, headers={"authorization": header}), 401)


def test_an_expired_key_and_the_key_of_a_deactivated_user_open_nothing(owner: User, with_key: Client) -> None:
    _row, expired = create_api_key(user=owner, name="old", expires_at=timezone.now() - timedelta(seconds=1))
    error_of(Client().get(ADDRESS, headers={"authorization": f"Bearer {expired}"}), 401)
    User.objects.update(is_active=False)
    error_of(with_key.get(ADDRESS), 401)


def test_a_session_reads_and_writes_only_with_the_csrf_token(browser: Client, settings: Settings) -> None:
    assert browser.get(ADDRESS).status_code == 200
    body = {"initial_message": "Begin"}
    assert error_of(browser.post(ADDRESS, body, JSON), 403)["code"] == "forbidden"
    browser.cookies[settings.CSRF_COOKIE_NAME] = token = "t" * 32
    assert browser.post(ADDRESS, body, JSON, headers={"x-csrftoken": token}).status_code == 201


def test_a_key_needs_no_csrf_token(key: str) -> None:
    client = Client(enforce_csrf_checks=True, headers={"authorization": f"Bearer {key}"})
    assert client.post(ADDRESS, {"initial_message": "Begin"}, JSON).status_code == 201


@pytest.mark.parametrize(
    "address", ["/api/nothing", "/api/", "/api/conversations/", "/api/conversations/not-a-uuid"]
)
def test_an_unknown_address_is_not_found_in_json(with_key: Client, address: str) -> None:
    assert error_of(with_key.get(address), 404)["code"] == "not_found"


def test_a_wrong_method_is_told_which_are_right(with_key: Client) -> None:
    response = with_key.put(ADDRESS)
    assert error_of(response, 405)["code"] == "method_not_allowed"
    assert set(response["Allow"].split(", ")) == {"GET", "POST"}


@pytest.mark.parametrize("body", ["{", "[" * 100_000, "\xff", "nonsense"])
def test_a_body_that_is_no_json_is_refused(with_key: Client, body: str) -> None:
    assert error_of(with_key.post(ADDRESS, body.encode("latin1"), JSON), 400)["code"] == "bad_request"


def test_a_body_that_is_too_large_is_refused(with_key: Client, settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    response = with_key.post(ADDRESS, {"initial_message": "x" * 1000}, JSON)
    assert error_of(response, 413)["code"] == "too_large"


def test_a_defect_of_ours_is_an_error_of_the_same_form(with_key: Client, settings: Settings) -> None:
    settings.LLM_FACTORIES = {"": "no.such.factory", "scripted": "no.such.factory"}
    settings.MAX_STEPS = "a defect"
    with_key.raise_request_exception = False
    response = with_key.post(ADDRESS, {"initial_message": "Begin"}, JSON)
    assert error_of(response, 500)["code"] == "server_error"


def test_a_wrong_host_is_refused_in_json(with_key: Client) -> None:
    error_of(with_key.get(ADDRESS, headers={"host": "evil.example"}), 400)


def test_the_documentation_needs_nothing_from_elsewhere_and_no_inline_script(db: None) -> None:
    page = Client().get("/api/docs")
    html = page.content.decode()
    assert page.status_code == 200
    assert "://" not in html.replace("http://www.w3.org", "")
    assert html.count("<script>") == 0
    assert "'unsafe" not in page["Content-Security-Policy"]
    schema = Client().get("/api/openapi.json").json()
    assert "/api/conversations/{conversation_id}/blobs/{sha256}" in schema["paths"]
