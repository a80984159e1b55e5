"""A stand-in for a model's provider: a real HTTP server on loopback that speaks OpenAI's chat completions.

    with OpenAIServer([Turn(text="Hello."), Turn.failure(429, headers={"Retry-After": "0"})]) as server:
        ModelChoice("openai/gpt-4o", api_key=server.api_key, base_url=server.base_url)

It answers with its turns in order, streaming where the request asks for it, keeps every request that it saw, and
misbehaves as a turn says. As a process of its own, which serves many conversations at once and takes for each the
turn that follows from the replies it already has:

    python -m tests.fakes.openai_server --port 8400 --script turns.json
"""

import argparse
import asyncio
import json
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from aiohttp import web


@dataclass(frozen=True)
class Turn:
    """One answer. `tool_calls` are `{"name", "arguments"}` with a dict, or a string sent as it is (also bad JSON).

    Misbehaviour: `status` other than 200 with `message`; `delay` seconds before anything; `pause` seconds between
    the pieces of a stream; `cut_after` that many pieces the connection breaks; `malformed` sends bytes that are
    no JSON; `finish` None ends the stream without saying that it ended. A stream tells the usage in a piece of its own,
    with the piece that ends the reply, with every piece, or never.
    """

    text: str = ""
    reasoning: str = ""
    tool_calls: Sequence[dict[str, Any]] = ()
    usage: dict[str, Any] | None = None
    usage_told: Literal["alone", "at the end", "always", "never"] = "alone"
    finish: str | None = "stop"
    status: int = 200
    message: str = ""
    error_code: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    pause: float = 0
    cut_after: int | None = None
    malformed: bool = False
    piece: int = 12

    @classmethod
    def failure(cls, status: int, message: str = "Scripted failure.", **more: Any) -> "Turn":
        return cls(status=status, message=message, **more)

    @classmethod
    def call(cls, name: str, arguments: dict[str, Any] | str, **more: Any) -> "Turn":
        return cls(tool_calls=[{"name": name, "arguments": arguments}], **more)


@dataclass(frozen=True)
class Seen:
    """A request as it came in; `connection` is the client's address and port."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float
    connection: object


Script = Callable[[dict[str, Any]], Turn]


def in_order(turns: Sequence[Turn]) -> Script:
    """Each request takes the next turn; past the last one every request fails with a sentence that says so."""
    left: Iterator[Turn] = iter(turns)
    spent = Turn.failure(400, "The script of this stand-in has no turn left.")
    return lambda _body: next(left, spent)


def by_history(turns: Sequence[Turn]) -> Script:
    """The turn that follows from the replies a request already holds; begins anew past the last one."""

    def choose(body: dict[str, Any]) -> Turn:
        replies = sum(message["role"] == "assistant" for message in body["messages"])
        turn: Turn = turns[replies % len(turns)]
        return turn

    return choose


class OpenAIServer:
    """Serves from a thread of its own between `__enter__` and `__exit__`."""

    api_key = "sk-stand-in-0123456789abcdef"

    def __init__(self, script: Sequence[Turn] | Script, *, port: int = 0, check_key: bool = True) -> None:
        self.requests: list[Seen] = []
        self.disconnected = threading.Event()
        """Set when a client went away before it had its answer."""
        self.base_url = ""
        self._script: Script = script if callable(script) else in_order(script)
        self._check_key = check_key
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="openai-server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _start(self) -> None:
        app = web.Application(client_max_size=64 * 2**20)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_route("*", "/{path:.*}", self._elsewhere)
        self._runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        await site.start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/v1"

    async def _models(self, _request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "stand-in", "object": "model"}]})

    async def _elsewhere(self, request: web.Request) -> web.Response:
        self.requests.append(_seen(request, {}))
        return _error(Turn.failure(404, f"There is nothing at {request.path}."))

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(_seen(request, body))
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._check_key and key != self.api_key:
            # As some providers do, it repeats the key that it refuses.
            return _error(
                Turn.failure(401, f"Incorrect API key provided: {key}.", error_code="invalid_api_key")
            )
        turn = self._script(body)
        try:
            await asyncio.sleep(turn.delay)
            if turn.status != 200:
                return _error(turn)
            if body.get("stream"):
                return await self._stream(request, body, turn)
            if turn.malformed:
                return web.Response(text='{"choices": [{"mess', content_type="application/json")
            return web.json_response(_completion(body, turn))
        except (asyncio.CancelledError, ConnectionResetError):
            self.disconnected.set()
            raise

    async def _stream(self, request: web.Request, body: dict[str, Any], turn: Turn) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        sent = 0
        async for chunk in _paced(_chunks(body, turn), turn.pause):
            if sent == turn.cut_after:
                assert request.transport is not None
                request.transport.abort()
                return response
            data = '{"choices": [{"del' if turn.malformed and sent == 1 else json.dumps(chunk)
            await response.write(f"data: {data}\n\n".encode())
            sent += 1
        if turn.finish is not None:
            await response.write(b"data: [DONE]\n\n")
        await response.write_eof()
        return response


def _seen(request: web.Request, body: dict[str, Any]) -> Seen:
    assert request.transport is not None
    peer = request.transport.get_extra_info("peername")
    return Seen(request.path, dict(request.headers), body, time.monotonic(), peer)


async def _paced(chunks: list[dict[str, Any]], pause: float) -> AsyncIterator[dict[str, Any]]:
    for chunk in chunks:
        if pause:
            await asyncio.sleep(pause)
        yield chunk


def _error(turn: Turn) -> web.Response:
    error = {"message": turn.message, "type": "stand_in_error", "param": None, "code": turn.error_code}
    return web.json_response({"error": error}, status=turn.status, headers=turn.headers)


def _tool_calls(turn: Turn) -> list[dict[str, Any]]:
    return [
        {
            "id": call.get("id") or f"call_{uuid.uuid4().hex[:12]}",
            "type": "function",
            "function": {
                "name": call["name"],
                "arguments": call["arguments"]
                if isinstance(call["arguments"], str)
                else json.dumps(call["arguments"]),
            },
        }
        for call in turn.tool_calls
    ]


def _usage(body: dict[str, Any], turn: Turn) -> dict[str, Any]:
    """What the turn says, else about a token for four characters."""
    if turn.usage is not None:
        return turn.usage
    prompt = len(json.dumps(body["messages"])) // 4
    completion = (len(turn.text) + len(turn.reasoning) + len(json.dumps(list(turn.tool_calls)))) // 4
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _finish(turn: Turn) -> str | None:
    return "tool_calls" if turn.tool_calls and turn.finish == "stop" else turn.finish


def _completion(body: dict[str, Any], turn: Turn) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": turn.text or None}
    if turn.tool_calls:
        message["tool_calls"] = _tool_calls(turn)
    if turn.reasoning:
        message["reasoning_content"] = turn.reasoning
    choice = {"index": 0, "message": message, "finish_reason": _finish(turn)}
    return {**_envelope(body, "chat.completion"), "choices": [choice], "usage": _usage(body, turn)}


def _chunks(body: dict[str, Any], turn: Turn) -> list[dict[str, Any]]:
    """As OpenAI sends them: id and name of a call only in its first piece, usage by itself alone in the last chunk."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": piece} for piece in _pieces(turn.reasoning, turn.piece)]
    deltas += [{"content": piece} for piece in _pieces(turn.text, turn.piece)]
    for index, call in enumerate(_tool_calls(turn)):
        function = call["function"]
        first = {**call, "index": index, "function": {"name": function["name"], "arguments": ""}}
        deltas.append({"tool_calls": [first]})
        deltas += [
            {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
            for piece in _pieces(function["arguments"], turn.piece)
        ]
    envelope = _envelope(body, "chat.completion.chunk")
    choices: list[dict[str, Any]] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    if turn.finish is not None:
        choices.append({"index": 0, "delta": {}, "finish_reason": _finish(turn)})
    chunks = [{**envelope, "choices": [choice]} for choice in choices]
    if turn.finish is not None and body.get("stream_options", {}).get("include_usage"):
        if turn.usage_told == "alone":
            chunks.append({**envelope, "choices": []})
        for chunk in {"never": [], "always": chunks}.get(turn.usage_told, chunks[-1:]):
            chunk["usage"] = _usage(body, turn)
    return chunks


def _pieces(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def _envelope(body: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex[:12]}",
        "object": kind,
        "created": int(time.time()),
        "model": body["model"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="A stand-in for a model's provider.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument(
        "--script", type=Path, required=True, help="a JSON list of turns, by the names of Turn's fields"
    )
    options = parser.parse_args()
    turns = [Turn(**turn) for turn in json.loads(options.script.read_text())]
    with OpenAIServer(by_history(turns), port=options.port, check_key=False) as server:
        print(server.base_url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
