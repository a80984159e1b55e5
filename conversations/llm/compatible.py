"""Servers that speak OpenAI's chat completions at a base URL, asked directly.

LiteLLM reaches them too (`hosted_vllm/`) and does nothing for them that these lines do not do; it takes 7 ms of CPU a
call at 10 steps and 60 ms at 1,000, this 0.8 and 2 ms (`make bench ARGS=breakdown`).
"""

import json
import ssl
import urllib.request
from collections.abc import AsyncIterator, Callable
from functools import cache
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import certifi
from django.conf import settings

from conversations.llm.assembly import Assembly
from conversations.llm.attempts import Heard, check_finish
from conversations.llm.base import ModelChoice, Request
from conversations.llm.failures import IncompleteReplyError, ProviderError
from openhands_site.http_session import LoopSession

_CONNECT_SECONDS = 10
_ERROR_BYTES = 20_000
_session = LoopSession()


class Fields(SimpleNamespace):
    """A JSON object; a field that it lacks is None."""

    def __getattr__(self, name: str) -> None:
        return None


class Endpoint:
    """One model at one base URL, under the name that the server there knows it by."""

    def __init__(self, choice: ModelChoice, name: str) -> None:
        self._url = f"{choice.base_url.rstrip('/')}/chat/completions"
        self._name = name
        self._headers = {"Content-Type": "application/json"}
        if choice.api_key:
            self._headers["Authorization"] = f"Bearer {choice.api_key}"
        self._proxy, self._tls = _proxy(choice.base_url), _certificates()
        self._messages, self._tools = _Encoded(), _Encoded(_plain)

    async def attempt(self, request: Request, assembly: Assembly, heard: Heard) -> Any:
        try:
            response = await _session.get().post(
                self._url,
                data=self._body(request),
                headers=self._headers,
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
                allow_redirects=False,  # it would become a GET, and the key is for this address alone
                ssl=self._tls,
                proxy=self._proxy,
            )
        except aiohttp.ClientError as error:
            raise ConnectionError(str(error)) from None
        async with response:
            try:
                return await self._read(response, assembly, heard)
            except aiohttp.ClientError:
                raise IncompleteReplyError from None

    def _body(self, request: Request) -> bytes:
        fields: dict[str, Any] = {"model": self._name, "stream": settings.LLM_STREAM}
        if settings.LLM_STREAM:
            fields["stream_options"] = {"include_usage": True}
        parts = [json.dumps(fields)[1:-1], f'"messages": [{self._messages.text(request.messages)}]']
        if request.tools:
            parts.append(f'"tools": [{self._tools.text(request.tools)}]')
        return f"{{{', '.join(parts)}}}".encode()

    async def _read(self, response: aiohttp.ClientResponse, assembly: Assembly, heard: Heard) -> Any:
        if response.status != 200:
            raise ProviderError(response.status, await _beginning(response), response.headers)
        if response.content_type != "text/event-stream":
            return _take_whole(_parsed(await response.read()), assembly)
        finish = usage = None
        async for data in _events(response):
            heard()
            chunk = _parsed(data)
            for choice in (chunk.choices or ())[:1]:
                assembly.add(choice.delta)
                finish = choice.finish_reason or finish
            usage = chunk.usage or usage
        check_finish(finish)
        return usage


class _Encoded:
    """A list as JSON, without its brackets. What it holds already is not encoded anew: a request begins with the
    messages of the one before, which do not change. At 1,000 steps this saves 7 of 9 ms."""

    def __init__(self, prepare: Callable[[Any], Any] = lambda item: item) -> None:
        self._prepare = prepare
        self._known: list[dict[str, Any]] = []
        self._text = ""

    def text(self, items: list[dict[str, Any]]) -> str:
        if items[: len(self._known)] != self._known:
            self._known, self._text = [], ""
        new = [json.dumps(self._prepare(item)) for item in items[len(self._known) :]]
        self._text = ", ".join([self._text, *new] if self._known else new)
        self._known = list(items)
        return self._text


def _take_whole(answer: Fields, assembly: Assembly) -> Any:
    """A reply that was not streamed."""
    if not answer.choices:
        raise ProviderError(200, "There is no choice in it.")
    assembly.add(answer.choices[0].message)
    check_finish(answer.choices[0].finish_reason)
    return answer.usage


async def _events(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The data of each server-sent event, up to the last."""
    held = b""
    async for piece in response.content.iter_any():
        *lines, held = (held + piece).split(b"\n")
        for line in lines:
            name, _, data = line.partition(b":")
            if name == b"data" and data.strip() == b"[DONE]":
                return
            if name == b"data":
                yield data


def _parsed(data: bytes) -> Fields:
    """Raises ProviderError for what is no JSON object, and for one that tells of an error."""
    try:
        found = json.loads(data, object_hook=lambda fields: Fields(**fields))
    except ValueError:
        raise ProviderError(200, "It is no JSON.") from None
    if not isinstance(found, Fields):
        raise ProviderError(200, "It is no JSON object.")
    if found.error:
        code = found.error.code if isinstance(found.error, Fields) else None
        raise ProviderError(code if isinstance(code, int) and 400 <= code < 600 else 500, data.decode())
    return found


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """Of what a server says of an error, as much as is worth reading."""
    data = b""
    async for piece in response.content.iter_any():
        data += piece
        if len(data) > _ERROR_BYTES:
            break
    return data[:_ERROR_BYTES].decode(errors="replace")


def _plain(node: Any) -> Any:
    """A tool's schema without what some servers refuse to read."""
    if isinstance(node, dict):
        return {key: _plain(item) for key, item in node.items() if key != "additionalProperties"}
    return [_plain(item) for item in node] if isinstance(node, list) else node


def _proxy(base_url: str) -> str | None:
    """What HTTPS_PROXY, NO_PROXY and their like say. aiohttp would ask at each call, and look for keys in ~/.netrc."""
    parts = urlsplit(base_url)
    if urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return urllib.request.getproxies().get(parts.scheme)


@cache
def _certificates() -> ssl.SSLContext:
    """The machine's authorities, among which may be a company's own, and those that every browser knows."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
