"""A model whose turns a test writes down: `turns/<anything>`, made by the factory that the test settings name.

    model = ScriptedTurns([calls(call("terminal", command="ls")), Reply("Done.")])
    start_conversation(owner=owner, text="…", model=model.name)

A turn is a Reply, an LLMError, or a function of the request that returns one of them or a coroutine for one.
`Held(turn)` waits until the test releases it.
"""

import asyncio
import inspect
import itertools
import json
import threading
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import Future
from typing import Any

from conversations.llm.base import Channel, Delta, ModelChoice, OnDelta, Reply, Request, ToolCall, Usage
from conversations.llm.errors import LLMError

Answer = Reply | LLMError
Turn = Answer | Callable[[Request], Answer | Awaitable[Answer]]

_models: dict[str, "ScriptedTurns"] = {}
_numbers = itertools.count(1)


def create(choice: ModelChoice) -> "ScriptedTurns":
    """The factory for the prefix `turns`: the model that a test made under this name."""
    return _models[choice.name]


def call(tool: str, /, **arguments: Any) -> ToolCall:
    return ToolCall(f"call_{next(_numbers)}", tool, json.dumps(arguments))


def calls(*tool_calls: ToolCall, text: str = "", usage: Usage | None = None) -> Reply:
    return Reply(text, tool_calls, usage=usage or Usage())


class ScriptedTurns:
    """Gives its turns in order, to whichever thread or event loop asks, and keeps the requests that it saw."""

    def __init__(self, turns: Iterable[Turn]) -> None:
        self.name = self.route = f"turns/{next(_numbers)}"
        self.requests: list[Request] = []
        self._turns = list(turns)
        self._lock = threading.Lock()
        _models[self.name] = self

    async def complete(self, request: Request, on_delta: OnDelta) -> Reply:
        answer = self._next(request)
        if callable(answer):
            made = answer(request)
            answer = await made if inspect.isawaitable(made) else made
        if isinstance(answer, LLMError):
            raise answer
        _stream(answer, on_delta)
        return answer

    def add(self, *turns: Turn) -> None:
        with self._lock:
            self._turns.extend(turns)

    def _next(self, request: Request) -> Turn:
        with self._lock:
            self.requests.append(Request(list(request.messages), list(request.tools)))
            if not self._turns:
                raise LLMError(
                    f"{self.name} was called {len(self.requests)} times, more often than the test has turns.",
                    code="no_turn",
                    fault="server",
                )
            return self._turns.pop(0)


class Held:
    """A turn that begins, and is not given before the test calls `release`."""

    def __init__(self, answer: Answer) -> None:
        self.begun = threading.Event()
        self.cancelled = threading.Event()
        self._answer = answer
        self._released: Future[None] = Future()

    async def __call__(self, _request: Request) -> Answer:
        self.begun.set()
        try:
            await asyncio.shield(asyncio.wrap_future(self._released))
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return self._answer

    def release(self) -> None:
        if not self._released.done():
            self._released.set_result(None)


def _stream(reply: Reply, on_delta: OnDelta) -> None:
    """Each channel in two pieces."""
    channels: list[tuple[Channel, int, str]] = [("reasoning", 0, reply.reasoning), ("text", 0, reply.text)]
    channels += [("arguments", index, made.arguments) for index, made in enumerate(reply.tool_calls)]
    for channel, index, text in channels:
        middle = len(text) // 2
        for offset, piece in ((0, text[:middle]), (middle, text[middle:])):
            if piece:
                on_delta(Delta(reply.attempts, channel, index, offset, piece))
