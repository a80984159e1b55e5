"""Models behind LiteLLM: the one place that imports it, calls it and counts what a call cost."""

import asyncio
import contextlib
import copy
import itertools
import logging
import os
import random
import threading
import time
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

import structlog
from django.conf import settings

from conversations.llm import failures, registry, routing
from conversations.llm.assembly import Assembly
from conversations.llm.base import ModelChoice, OnDelta, Reply, Request, Usage
from conversations.llm.errors import LLMError
from conversations.llm.prices import Price

log = structlog.get_logger(__name__)
_importing = threading.Lock()
# Given with a base URL that takes no key: without one LiteLLM would send a key out of the server's environment.
_NO_KEY = "none"
_MOST_TOKENS = 2**31 - 1  # that a row takes


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


def create(choice: ModelChoice) -> "LiteLLMModel":
    """The factory for every name that has none of its own. The first call imports LiteLLM, which takes seconds."""
    if choice.api_key.startswith("os.environ/"):
        # LiteLLM's notation for "read it from the environment", which is the server's.
        raise LLMError("The key is not a key: set it itself.", code="key_refused", fault="user")
    with _importing:
        return LiteLLMModel(choice, _litellm())


@cache
def _litellm() -> Any:
    # Before the import: without it LiteLLM fetches its table of prices from the internet.
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import litellm

        litellm.suppress_debug_info = True
        litellm.drop_params = True
        _silence()
        _warm_up(litellm)
    return litellm


def _silence() -> None:
    """Whatever LiteLLM has to say it also raises, and its log lines may repeat a provider's answer with the key."""
    for name in ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.CRITICAL)


def _warm_up(litellm: Any) -> None:
    """A call that goes nowhere: the first one imports for a second, which must not halt the event loop."""
    pieces = litellm.completion(
        model=f"{routing.COMPATIBLE}/warm-up",
        messages=[{"role": "user", "content": "Hello"}],
        tools=[{"type": "function", "function": {"name": "wave", "parameters": {"type": "object"}}}],
        mock_response="Hello",
        stream=True,
        api_base="http://localhost",
        api_key=_NO_KEY,
    )
    for _ in pieces:
        pass


class LiteLLMModel:
    """One model with its key and base URL."""

    def __init__(self, choice: ModelChoice, litellm: Any, backoff: Backoff | None = None) -> None:
        self.name = choice.name
        self.route = routing.route(choice.name, choice.base_url)
        self._speaks_openai = self.route.startswith(f"{routing.COMPATIBLE}/")
        self._choice = choice
        self._litellm = litellm
        self._backoff = backoff or Backoff()
        self._price = registry.price(choice.name)

    async def complete(self, request: Request, on_delta: OnDelta) -> Reply:
        started = time.monotonic()
        for attempt in itertools.count(1):
            assembly = Assembly(attempt, on_delta)
            try:
                usage = await self._attempt(request, assembly)
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

    async def _attempt(self, request: Request, assembly: Assembly) -> Any:
        """Fills the assembly; returns LiteLLM's usage, or None. LLM_TIMEOUT bounds each silence, not the whole."""
        async with asyncio.timeout(settings.LLM_TIMEOUT) as patience:
            answer = await self._litellm.acompletion(**self._arguments(request))
            if not settings.LLM_STREAM:
                assembly.add(answer.choices[0].message)
                _check_finish(answer.choices[0].finish_reason)
                return getattr(answer, "usage", None)
            usage = None
            try:
                async for chunk in answer:
                    patience.reschedule(asyncio.get_running_loop().time() + settings.LLM_TIMEOUT)
                    if chunk.choices:
                        assembly.add(chunk.choices[0].delta)
                    usage = getattr(chunk, "usage", None) or usage
                    if answer.sent_last_chunk and self._speaks_openai and not usage:
                        usage = await _usage_at_the_end(answer)
                    if usage and answer.received_finish_reason:
                        # All was read. LiteLLM would now gather the reply again, for its own log and for a usage of
                        # its own: half of a call's CPU or more, at 10 steps and at 1,000, for it walks all messages.
                        break
            finally:
                await answer.aclose()
            # The chunks cannot tell: LiteLLM ends a stream that was cut with a finish of its own making.
            _check_finish(answer.received_finish_reason)
            return usage

    def _arguments(self, request: Request) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": self.route,
            # LiteLLM edits both in place, and neither is ours to change.
            "messages": [dict(message) for message in request.messages],
            "stream": settings.LLM_STREAM,
            "timeout": settings.LLM_TIMEOUT,
            "num_retries": 0,
            "max_retries": 0,
        }
        if request.tools:
            arguments["tools"] = copy.deepcopy(request.tools)
        if settings.LLM_STREAM:
            arguments["stream_options"] = {"include_usage": True}
        if self._choice.base_url:
            arguments["api_base"] = self._choice.base_url
            arguments["api_key"] = self._choice.api_key or _NO_KEY
        elif self._choice.api_key:
            arguments["api_key"] = self._choice.api_key
        return arguments

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


async def _usage_at_the_end(stream: Any) -> Any:
    """Reads what follows the last piece of a reply in OpenAI's protocol, which is its usage; a server may have told it
    before, and with each piece. None where it told none, or broke off: the reply is there all the same."""
    usage = None
    for chunk in stream.chunks:
        usage = getattr(chunk, "usage", None) or usage
    with contextlib.suppress(Exception):
        async for chunk in stream.completion_stream:
            usage = getattr(chunk, "usage", None) or usage
    return usage


def _check_finish(reason: str | None) -> None:
    if reason is None:
        raise failures.IncompleteReplyError
    if reason == "content_filter":
        raise failures.FilteredReplyError


def _usage(usage: Any, price: Price | None) -> Usage:
    if usage is None:
        return Usage()
    details = getattr(usage, "prompt_tokens_details", None)
    cached = _count(getattr(details, "cached_tokens", None))
    written = _count(getattr(details, "cache_creation_tokens", None)) or 0
    prompt, completion = _count(usage.prompt_tokens), _count(usage.completion_tokens)
    if prompt is None or completion is None:
        return Usage(prompt, cached, completion)
    cost = price.cost(prompt, completion, cached=cached or 0, written=written) if price else None
    return Usage(prompt, cached, completion, cost)


def _count(tokens: int | None) -> int | None:
    """Servers do say -1; that is not known, and no row takes it."""
    return None if tokens is None or not 0 <= tokens <= _MOST_TOKENS else tokens
