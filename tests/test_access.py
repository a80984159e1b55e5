"""A second user sees and can do nothing of the first one's: every address of the product, in one test.

The addresses are walked, not listed: pages from Django's resolver, operations from the API, sockets from their
routing. One that `KNOWN` does not name fails, so whoever adds one must say here whose it is.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import APIKey, User
from accounts.services import create_api_key
from conversations import blobs
from conversations.models import Blob, Conversation, Event, LLMCall
from conversations.services import start_conversation
from conversations.sockets.routing import websocket_urlpatterns
from openhands_site.api import api
from sandboxes.models import Sandbox
from tests.fakes.socket_client import SocketClient

SECRET = "owners-words-4c1d"
OWNED = "somebody's own: not found by anybody else"
ASKERS = "of the one who asks: shows and changes nothing of others"
NOBODYS = "nobody's: the same for all"

KNOWN = {
    "GET /api/conversations": ASKERS,
    "POST /api/conversations": ASKERS,
    "GET /api/conversations/{uuid:conversation_id}": OWNED,
    "PATCH /api/conversations/{uuid:conversation_id}": OWNED,
    "DELETE /api/conversations/{uuid:conversation_id}": OWNED,
    "GET /api/conversations/{uuid:conversation_id}/events": OWNED,
    "GET /api/conversations/{uuid:conversation_id}/blobs/{sha256}": OWNED,
    "POST /api/conversations/{uuid:conversation_id}/messages": OWNED,
    "POST /api/conversations/{uuid:conversation_id}/pause": OWNED,
    "POST /api/conversations/{uuid:conversation_id}/resume": OWNED,
    "POST /api/conversations/{uuid:conversation_id}/stop": OWNED,
    "SOCKET /sockets/events/<uuid:conversation_id>": OWNED,
    "SOCKET /": NOBODYS,
    "PAGE /": ASKERS,
    "PAGE /conversations/": ASKERS,
    "PAGE /conversations/<uuid:conversation_id>/": OWNED,
    "PAGE /conversations/<uuid:conversation_id>/events/": OWNED,
    "PAGE /conversations/<uuid:conversation_id>/rename/": OWNED,
    "PAGE /conversations/<uuid:conversation_id>/delete/": OWNED,
    "PAGE /settings/": ASKERS,
    "PAGE /settings/api-keys/": ASKERS,
    "PAGE /settings/api-keys/<uuid:key_id>/revoke/": OWNED,
    "PAGE /sign-in/<str:token>/": NOBODYS,
    "PAGE /accounts/login/": NOBODYS,
    "PAGE /accounts/logout/": ASKERS,
    "PAGE /accounts/inactive/": NOBODYS,
    "PAGE /accounts/signup/": NOBODYS,
    "PAGE /accounts/password/change/": ASKERS,
    "PAGE /accounts/password/set/": ASKERS,
    "PAGE /accounts/password/reset/": NOBODYS,
    "PAGE /accounts/password/reset/done/": NOBODYS,
    "PAGE /accounts/password/reset/key/done/": NOBODYS,
    r"PAGE /accounts/^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>[^/]+)/$": NOBODYS,
    "PAGE /api/": NOBODYS,
    "PAGE /api/docs": NOBODYS,
    "PAGE /api/openapi.json": NOBODYS,
}
BODIES: dict[str, dict[str, Any]] = {
    "POST /api/conversations": {"initial_message": "Mine"},
    "PATCH /api/conversations/{uuid:conversation_id}": {"title": "Taken over"},
    "POST /api/conversations/{uuid:conversation_id}/messages": {"text": "Taken over"},
    "PAGE /conversations/<uuid:conversation_id>/rename/": {"title": "Taken over"},
}
QUERIES = {"PAGE /conversations/<uuid:conversation_id>/events/": "?before=99"}
# A named group of a regular expression, or a converter in either of the two forms.
PLACE = re.compile(r"\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)|[{<](?:\w+:)?(\w+)[}>]")


def _walk(patterns: list[Any], prefix: str = "/") -> Iterator[str]:
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _walk(pattern.url_patterns, route)
        else:
            assert isinstance(pattern, URLPattern)
            yield route


def _operations() -> Iterator[tuple[str, str]]:
    for prefix, router in api._routers:
        for path, view in router.path_operations.items():
            for operation in view.operations:
                route = f"/api{prefix}{path}".replace("{uuidstr:", "{uuid:")
                yield from ((method, route) for method in operation.methods)


def endpoints() -> list[str]:
    operations = [f"{method} {route}" for method, route in _operations()]
    served = {re.sub(r"[{<](\w+:)?(\w+)[}>]", r"<\2>", route) for _method, route in _operations()}
    routes = sorted(set(_walk(get_resolver().url_patterns)))
    pages = [f"PAGE {route}" for route in routes if re.sub(r"<(\w+:)?(\w+)>", r"<\2>", route) not in served]
    sockets = [f"SOCKET /{pattern.pattern}" for pattern in websocket_urlpatterns]
    return operations + pages + sockets


@dataclass
class Property:
    """What the owner has, all of it marked with SECRET where it can be."""

    conversation: Conversation
    key: APIKey
    blob: str

    def snapshot(self) -> list[list[Any]]:
        owner = self.conversation.owner
        rows = (
            Conversation.objects.filter(owner=owner),
            Event.objects.filter(conversation__owner=owner),
            Blob.objects.filter(conversation__owner=owner),
            LLMCall.objects.filter(conversation__owner=owner),
            Sandbox.objects.filter(owner=owner),
            APIKey.objects.filter(user=owner),
            User.objects.filter(pk=owner.pk),
        )
        return [list(queryset.order_by("pk").values()) for queryset in rows]

    def address(self, route: str) -> str:
        """The route with the owner's things in its places."""
        values = {
            "conversation_id": self.conversation.pk,
            "key_id": self.key.pk,
            "sha256": self.blob,
            "object_id": self.conversation.pk,
            "app_label": "conversations",
            "content_type_id": 1,
            "uidb36": "1",
            "key": "set-password",
        }
        filled = PLACE.sub(lambda match: str(values.get(match[1] or match[2], "x")), route)
        return re.sub(r"\^|\$|\\Z", "", filled)


@pytest.fixture
def owned(owner: User) -> Property:
    conversation = start_conversation(owner=owner, text=SECRET, title=SECRET)
    LLMCall.objects.create(conversation=conversation, fence=0, model=SECRET, route=SECRET)
    key, _ = create_api_key(user=owner, name=SECRET)
    blob = blobs.store(conversation.pk, SECRET.encode(), "text/plain").blob
    return Property(conversation, key, blob)


def _client(user: User | None, kind: str) -> Client:
    client = Client(raise_request_exception=True)
    if user is None:
        return client
    if kind == "PAGE":
        client.force_login(user)
        return client
    return Client(headers={"authorization": f"Bearer {create_api_key(user=user, name='tests')[1]}"})


def _ask(client: Client, endpoint: str, owned: Property) -> list[tuple[int, str]]:
    """What the endpoint answers: status and content, of each method of a page."""
    kind, route = endpoint.split(" ", 1)
    address, body = owned.address(route) + QUERIES.get(endpoint, ""), BODIES.get(endpoint)
    if kind == "PAGE":
        responses = [client.get(address), client.post(address, body or {})]
    else:
        responses = [
            client.generic(kind, address, json.dumps(body) if body else "", content_type="application/json")
        ]
    return [(response.status_code, response.content.decode(errors="replace")) for response in responses]


async def _knock(owned: Property, route: str, key: str) -> list[dict[str, Any]]:
    async with SocketClient("", address=owned.address(route), key=key) as client:
        return [await client.next()]


@pytest.mark.parametrize(
    "endpoint",
    [
        pytest.param(
            endpoint, marks=pytest.mark.django_db(transaction=endpoint.startswith("SOCKET")), id=endpoint
        )
        for endpoint in endpoints()
    ],
)
def test_a_second_user_sees_and_can_do_nothing_of_the_first_ones(
    endpoint: str, owned: Property, stranger: User
) -> None:
    kind, route = endpoint.split(" ", 1)
    is_admin = route.startswith("/admin/")
    whose = NOBODYS if is_admin else KNOWN.get(endpoint)
    assert whose, f"{endpoint} is new: say in KNOWN whose it is"
    if kind == "SOCKET":
        strange_key = create_api_key(user=stranger, name="tests")[1]
        for key, code in ((strange_key, 4004), ("", 4001 if whose == OWNED else 4004)):
            assert asyncio.run(_knock(owned, route, key)) == [{"type": "closed", "code": code}]
        return

    before = owned.snapshot()
    for user in (stranger, None):
        answers = _ask(_client(user, kind), endpoint, owned)
        assert not any(word in content for _, content in answers for word in (SECRET, "owner@example.com"))
        statuses = {status for status, _ in answers}
        if whose == OWNED:
            assert statuses <= ({404, 405} if user else {302, 401, 404, 405})
        if is_admin:
            assert statuses <= {302, 403, 404, 405}
    assert owned.snapshot() == before
    if whose == OWNED:  # and the address is a right one: the owner is answered
        found = {status for status, _ in _ask(_client(owned.conversation.owner, kind), endpoint, owned)}
        assert found & {200, 201, 204, 302}


def test_what_is_known_of_an_endpoint_is_known_of_one_that_there_is() -> None:
    assert set(KNOWN) <= set(endpoints())
    assert set(BODIES) <= set(KNOWN)
