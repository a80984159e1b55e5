"""How an outage is told. That nothing here has the `db` fixture proves that no database is asked for it."""

import errno
import json

from django.db import InterfaceError
from django.http import HttpRequest
from django.test import RequestFactory
from django.urls import get_resolver

from openhands_site import outage_pages

AWAY = InterfaceError("connection already closed")
FULL = OSError(errno.ENOSPC, "No space left on device")


def page(request: HttpRequest, error: Exception) -> tuple[int, str]:
    response = outage_pages.answer(request, error)
    assert response is not None
    assert int(response["Retry-After"]) > 0
    assert response["Cache-Control"] == "no-store"
    return response.status_code, response.content.decode()


def test_a_page_says_what_is_wrong_and_tries_again_by_itself(rf: RequestFactory) -> None:
    status, html = page(rf.get("/conversations/1/?a=1&b=<x>"), AWAY)
    assert status == 503
    assert 'http-equiv="refresh"' in html
    assert "Nothing that was stored is lost" in html
    assert 'href="/conversations/1/?a=1&amp;b=%3Cx%3E"' in html
    assert "connection already closed" not in html


def test_what_was_sent_is_offered_to_be_sent_again_and_never_by_itself(rf: RequestFactory) -> None:
    status, html = page(rf.post("/conversations/", {"text": "My words", "password": "my secret"}), FULL)
    assert status == 507
    assert "http-equiv" not in html
    assert "<send-again>" in html
    assert "my secret" not in html


def test_htmx_is_given_a_sentence_to_show_beside_what_asked(rf: RequestFactory) -> None:
    status, text = page(rf.post("/conversations/1/rename/", headers={"HX-Request": "true"}), AWAY)
    assert status == 503
    assert text.endswith(".")
    assert "<" not in text


def test_the_api_answers_in_json_that_it_can_be_tried_again(rf: RequestFactory) -> None:
    status, body = page(rf.post("/api/conversations"), FULL)
    assert status == 507
    error = json.loads(body)["error"]
    assert (error["code"], error["retryable"]) == ("disk_full", True)


def test_a_defect_is_not_an_outage(rf: RequestFactory) -> None:
    assert outage_pages.answer(rf.get("/"), ValueError("a defect")) is None


def test_an_error_beside_the_views_is_told_in_the_same_way(rf: RequestFactory) -> None:
    handlers = [get_resolver().resolve_error_handler(status) for status in (400, 500)]
    assert handlers == [outage_pages.bad_request, outage_pages.server_error]
    try:
        raise AWAY
    except InterfaceError:
        assert outage_pages.server_error(rf.get("/")).status_code == 503
    assert outage_pages.bad_request(rf.get("/"), FULL).status_code == 507
    assert outage_pages.bad_request(rf.get("/"), ValueError()).status_code == 400
    assert outage_pages.server_error(rf.get("/")).status_code == 500
