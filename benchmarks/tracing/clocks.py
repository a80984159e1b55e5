"""Where the time of a step goes, part by part, so that the parts add up.

Clocks are put around the loop's functions. Each counts what passes in it and not in a clock within it. The parts of
what the loop waits for on the other thread (the model's client, the action server's) are counted there, and what
remains of the wait is the hand-over between the threads. A line for each step goes into `steps.jsonl` in the data
folder, at the end of a conversation's turn.
"""

import json
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from django.conf import settings

DECIDING = "deciding and folding"
HAND_OVER = "hand-over between threads"
MODEL = "model client, with the provider"
TERMINAL = "terminal over HTTP"


class Clock(threading.local):
    """The parts of the step that runs on this thread."""

    def __init__(self) -> None:
        self.parts: dict[str, float] = defaultdict(float)
        self.steps: list[dict[str, float]] = []
        self._names: list[str] = []
        self._since = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What passes in here counts for `name` alone."""
        self._count()
        self._names.append(name)
        try:
            yield
        finally:
            self._count()
            self._names.pop()

    def _count(self) -> None:
        now = time.perf_counter()
        if self._names:
            self.parts[self._names[-1]] += now - self._since
        self._since = now

    def end_step(self) -> None:
        """All that passed since the end of the step before is this step's."""
        self.steps.append(dict(self.parts))
        self.parts.clear()


clock = Clock()


def put_on() -> None:
    from conversations.agent.calling import ModelCaller
    from conversations.agent.execution import Executor
    from conversations.agent.holder import Holder
    from conversations.agent.inbox import Inbox
    from conversations.agent.loop import Agent
    from conversations.llm import usage
    from conversations.llm.client import LiteLLMModel
    from sandboxes import client

    Agent.work = _turn(Agent.work)  # type: ignore[method-assign]
    Agent.step = _step(Agent.step)  # type: ignore[method-assign]
    Holder.append = _within("database: events written")(Holder.append)  # type: ignore[method-assign]
    ModelCaller._open_call = _within("database: call opened")(ModelCaller._open_call)  # type: ignore[method-assign]
    usage.settle_call = _within("database: call settled")(usage.settle_call)
    Inbox.wait = _wait(Inbox.wait)  # type: ignore[method-assign]
    LiteLLMModel.complete = _elsewhere(MODEL)(LiteLLMModel.complete)  # type: ignore[method-assign]
    client.put_action = _elsewhere(TERMINAL)(client.put_action)
    Executor.execute = _within("carrying out, without the wait")(Executor.execute)  # type: ignore[method-assign]


_spent: dict[str, float] = {}
"""What coroutines on the event loop took, until the thread that waits for them asks; one conversation at a time."""


def _turn(work: Callable[..., None]) -> Callable[..., None]:
    @wraps(work)
    def turn(*args: Any) -> None:
        clock.steps.clear()
        try:
            work(*args)
        finally:
            with (settings.OPENHANDS_HOME / "steps.jsonl").open("a") as file:
                file.writelines(json.dumps(step) + "\n" for step in clock.steps)

    return turn


def _step(step: Callable[..., bool]) -> Callable[..., bool]:
    """A step of the figures is two of the loop's moves: the model's call, and the action that came of it."""

    @wraps(step)
    def timed(agent: Any) -> bool:
        with clock.part(DECIDING):
            is_over = step(agent)
        if not agent.history.open:
            clock.end_step()
        return is_over

    return timed


def _within(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            with clock.part(name):
                return function(*args, **kwargs)

        return timed

    return decorate


def _elsewhere(part: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def decorate(coroutine: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(coroutine)
        async def timed(*args: Any, **kwargs: Any) -> Any:
            begun = time.perf_counter()
            try:
                return await coroutine(*args, **kwargs)
            finally:
                _spent[part] = time.perf_counter() - begun

        return timed

    return decorate


def _wait(wait: Callable[..., Any]) -> Callable[..., Any]:
    """What is waited for may have begun before the wait, beside what this thread still did."""

    @wraps(wait)
    def timed(*args: Any) -> Any:
        begun = time.perf_counter()
        with clock.part(HAND_OVER):
            signal = wait(*args)
        waited = time.perf_counter() - begun
        while _spent:
            part, seconds = _spent.popitem()
            clock.parts[part] += min(seconds, waited)
            clock.parts[HAND_OVER] -= min(seconds, waited)
        return signal

    return timed
