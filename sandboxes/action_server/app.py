"""The HTTP side of the action server; the protocol is described in `sandboxes.protocol`."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
import uuid
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from sandboxes.protocol import STORED, ActionRequest, Health, Refusal, RefusalCode

from .actions import Actions
from .errors import Refused

_STATUS: dict[RefusalCode, int] = {
    "bad_request": 400,
    "unauthorized": 401,
    "boot_changed": 409,
    "fence_too_old": 409,
    "discarded": 410,
}


def create_app(*, key: str, boot_id: str, actions: Actions, max_body: int) -> web.Application:
    """The application. Whoever does not show `key` learns nothing; `max_body` is in bytes."""
    started = time.monotonic()

    async def health(request: web.Request) -> web.Response:
        running = [str(uuid.UUID(bytes=action_id)) for action_id in actions.running]
        uptime = time.monotonic() - started
        return web.json_response(Health(boot_id, uptime_seconds=uptime, running_actions=running).to_json())

    async def put_action(request: web.Request) -> web.Response:
        action_id = _action_id(request)
        if STORED in request.headers:
            actions.discard(_id(request.headers[STORED]))
        task = actions.submit(action_id, await _action_request(request))
        # The client may go away; the action goes on, and it can ask again.
        result = await asyncio.shield(task)
        return web.json_response(result.to_json())

    async def interrupt_action(request: web.Request) -> web.Response:
        actions.interrupt(_action_id(request))
        return web.Response(status=202)

    async def delete_action(request: web.Request) -> web.Response:
        actions.discard(_action_id(request))
        return web.Response(status=204)

    app = web.Application(middlewares=[_refusals(key.encode())], client_max_size=max_body)
    app.router.add_get("/health", health)
    app.router.add_put("/actions/{id}", put_action)
    app.router.add_post("/actions/{id}/interrupt", interrupt_action)
    app.router.add_delete("/actions/{id}", delete_action)
    return app


def _refusals(key: bytes) -> Middleware:
    """A middleware that checks the key and words every refusal as the protocol says."""
    expected = b"Bearer " + key

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        try:
            if not hmac.compare_digest(given, expected):
                raise Refused("unauthorized", "The key is missing or wrong.")
            return await handler(request)
        except Refused as error:
            return web.json_response(error.refusal.to_json(), status=_STATUS[error.refusal.code])
        except web.HTTPRequestEntityTooLarge as error:
            return web.json_response(Refusal("bad_request", error.text or error.reason).to_json(), status=413)

    return middleware


def _action_id(request: web.Request) -> bytes:
    return _id(request.match_info["id"])


def _id(text: str) -> bytes:
    try:
        return uuid.UUID(text).bytes
    except ValueError as error:
        raise Refused("bad_request", "An action's id is a UUID.") from error


async def _action_request(request: web.Request) -> ActionRequest:
    """The body, checked in everything but the tool's name and its arguments: those the model can mend."""
    try:
        body = json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise Refused("bad_request", f"The body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise Refused("bad_request", "The body is not a JSON object.")
    _check(body, conversation_id=str, boot_id=str, fence=int, tool=str, arguments=dict)
    return ActionRequest(**body)


def _check(body: dict[str, Any], **types: type) -> None:
    if body.keys() != types.keys():
        raise Refused("bad_request", f"The body must have exactly the fields {', '.join(types)}.")
    for name, kind in types.items():
        if not isinstance(body[name], kind) or isinstance(body[name], bool):
            raise Refused("bad_request", f"The field {name} must be of the type {kind.__name__}.")
