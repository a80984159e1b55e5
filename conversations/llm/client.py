"""Models behind LiteLLM: the one place that imports it and calls it."""

import copy
import logging
import os
import threading
import warnings
from functools import cache
from typing import Any

from django.conf import settings

from conversations.llm import compatible, routing
from conversations.llm.assembly import Assembly
from conversations.llm.attempts import Heard, RemoteModel, check_finish
from conversations.llm.base import ModelChoice, Request
from conversations.llm.errors import LLMError

_importing = threading.Lock()


def create(choice: ModelChoice) -> RemoteModel:
    """The factory for every name that has none of its own. The first that needs LiteLLM takes seconds to import it."""
    if choice.api_key.startswith("os.environ/"):
        # LiteLLM's notation for "read it from the environment", which is the server's.
        raise LLMError("The key is not a key: set it itself.", code="key_refused", fault="user")
    route = routing.route(choice.name, choice.base_url)
    if choice.base_url and routing.speaks_openai(choice.name):
        return RemoteModel(choice, route, compatible.Endpoint(choice, routing.bare(route)).attempt)
    with _importing:
        return RemoteModel(choice, route, LiteLLM(choice, route, load()).attempt)


@cache
def load() -> Any:
    """The module `litellm`, imported at the first call."""
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
        model="openai/warm-up",
        messages=[{"role": "user", "content": "Hello"}],
        tools=[{"type": "function", "function": {"name": "wave", "parameters": {"type": "object"}}}],
        mock_response="Hello",
        stream=True,
        api_base="http://localhost",
        api_key="none",
    )
    for _ in pieces:
        pass


class LiteLLM:
    """One model at its provider, called through LiteLLM."""

    def __init__(self, choice: ModelChoice, route: str, litellm: Any) -> None:
        self._choice = choice
        self._route = route
        self._litellm = litellm

    async def attempt(self, request: Request, assembly: Assembly, heard: Heard) -> Any:
        answer = await self._litellm.acompletion(**self._arguments(request))
        if not settings.LLM_STREAM:
            assembly.add(answer.choices[0].message)
            check_finish(answer.choices[0].finish_reason)
            return getattr(answer, "usage", None)
        usage = None
        try:
            async for chunk in answer:
                heard()
                if chunk.choices:
                    assembly.add(chunk.choices[0].delta)
                usage = getattr(chunk, "usage", None) or usage
        finally:
            await answer.aclose()
        # The chunks cannot tell: LiteLLM ends a stream that was cut with a finish of its own making.
        check_finish(answer.received_finish_reason)
        return usage

    def _arguments(self, request: Request) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": self._route,
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
            # Without a key LiteLLM would send one out of the server's environment.
            arguments["api_key"] = self._choice.api_key or "none"
        elif self._choice.api_key:
            arguments["api_key"] = self._choice.api_key
        return arguments
