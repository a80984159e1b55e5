"""A model that a provider serves: its calls are tried again where that can help, and counted."""

import asyncio
import itertools
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from django.conf import settings

from conversations.llm import failures, registry
from conversations.llm.assembly import Assembly
from conversations.llm.base import ModelChoice, OnDelta, Reply, Request, Usage
from conversations.llm.prices import Price

log = structlog.get_logger(__name__)
Heard = Callable[[], None]


class Attempt(Protocol):
    async def __call__(self, request: Request, assembly: Assembly, heard: Heard) -> Any:
        """Asks once and fills the assembly. Returns the usage as the provider told it, or None.

        It calls `heard` whenever something of the reply came. It may raise anything: what, judges `failures`.
        """


@dataclass(frozen=True)
class Backoff:
    """How long to wait between attempts, in seconds."""

    first: float = 1.0
    longest: float = 60.0

    def wait(self, attempt: int, asked: float | None) -> float:
        """After attempt 1, 2, …: what the provider `asked` for, else twice as long each time, with jitter."""
        if asked is not None:
            return min(asked, self.longest)
        return min(self.first * 2.0 ** (attempt - 1), self.longest) * random.uniform(0.5, 1.0)  # noqa: S311


class RemoteModel:
    """One model with its key and base URL, asked by `attempt`."""

    def __init__(
        self, choice: ModelChoice, route: str, attempt: Attempt, backoff: Backoff | None = None
    ) -> None:
        self.name = choice.name
        self.route = route
        self._choice = choice
        self._attempt = attempt
        self._backoff = backoff or Backoff()
        self._price = registry.price(choice.name)

    async def complete(self, request: Request, on_delta: OnDelta) -> Reply:
        started = time.monotonic()
        for attempt in itertools.count(1):
            assembly = Assembly(attempt, on_delta)
            try:
                usage = await self._try(request, assembly)
            except Exception as error:  # noqa: BLE001 -- another's code: what it raises is judged in one place
                problem = failures.explain(
                    error, self._choice, patience=settings.LLM_TIMEOUT, attempts=attempt
                )
                wait = self._backoff.wait(attempt, failures.retry_after(error))
            else:
                return self._reply(assembly, usage, attempt, started)
            # Outside the except block, so that what is raised does not carry the original, which may hold the key.
            if not problem.retryable or attempt > settings.LLM_RETRIES:
                raise problem
            log.warning(
                "a model call failed",
                model=self.name,
                code=problem.code,
                attempt=attempt,
                wait=round(wait, 2),
            )
            await asyncio.sleep(wait)
        raise AssertionError("unreachable: the attempts do not end by themselves")

    async def _try(self, request: Request, assembly: Assembly) -> Any:
        """LLM_TIMEOUT bounds each silence, not the whole."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(settings.LLM_TIMEOUT) as patience:
            return await self._attempt(
                request, assembly, lambda: patience.reschedule(loop.time() + settings.LLM_TIMEOUT)
            )

    def _reply(self, assembly: Assembly, usage: Any, attempt: int, started: float) -> Reply:
        first = assembly.first_piece_at
        return Reply(
            assembly.text,
            assembly.tool_calls,
            assembly.reasoning,
            _usage(usage, self._price),
            attempts=attempt,
            latency_ms=round((time.monotonic() - started) * 1000),
            first_token_ms=round((first - started) * 1000)
            if first is not None and settings.LLM_STREAM
            else None,
        )


def check_finish(reason: str | None) -> None:
    """Raises what says that a reply is none, by the reason that the provider gave for its end."""
    if reason is None:
        raise failures.IncompleteReplyError
    if reason == "content_filter":
        raise failures.FilteredReplyError


def _usage(usage: Any, price: Price | None) -> Usage:
    if usage is None:
        return Usage()
    details = getattr(usage, "prompt_tokens_details", None)
    cached = getattr(details, "cached_tokens", None)
    written = getattr(details, "cache_creation_tokens", None) or 0
    prompt, completion = usage.prompt_tokens, usage.completion_tokens
    if prompt is None or completion is None:
        return Usage(prompt, cached, completion)
    cost = price.cost(prompt, completion, cached=cached or 0, written=written) if price else None
    return Usage(prompt, cached, completion, cost)
