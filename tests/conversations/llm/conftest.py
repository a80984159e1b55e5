"""Calls as the worker makes them: on the process's one event loop, which LiteLLM's connections belong to."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field

import pytest
from pytest_django import Settings

from conversations.llm import client
from conversations.llm.base import Delta, ModelChoice, Reply, Request
from conversations.llm.client import Backoff, LiteLLMModel
from openhands_site import async_thread
from tests.fakes.openai_server import OpenAIServer

TOOL = {
    "type": "function",
    "function": {
        "name": "terminal",
        "description": "Runs a command.",
        "parameters": {
            "type": "object",
            "properties": {"command": {"type": "string"}},
            "required": ["command"],
            "additionalProperties": False,
        },
    },
}


@dataclass
class Call:
    """One model and what was seen of its calls."""

    model: LiteLLMModel
    deltas: list[Delta] = field(default_factory=list)

    def start(self, request: Request | None = None) -> "Future[Reply]":
        request = request or Request([{"role": "user", "content": "Hello"}], [TOOL])
        return async_thread.run(self.model.complete(request, self.deltas.append))

    def run(self, request: Request | None = None) -> Reply:
        return self.start(request).result(30)

    def streamed(self, channel: str, attempt: int = 1, index: int = 0) -> str:
        """A channel's pieces, each checked to begin where the one before it ended."""
        text = ""
        for delta in self.deltas:
            if (delta.channel, delta.attempt, delta.index) == (channel, attempt, index):
                assert delta.offset == len(text)
                text += delta.text
        return text


@pytest.fixture(params=[True, False], ids=["streamed", "whole"])
def both_ways(request: pytest.FixtureRequest, settings: Settings) -> bool:
    settings.LLM_STREAM = request.param
    return bool(request.param)


@pytest.fixture
def call_to() -> Callable[..., Call]:
    """A call to a stand-in server, with waits of a few milliseconds."""

    def make(server: OpenAIServer, name: str = "openai/gpt-4o", api_key: str = OpenAIServer.api_key) -> Call:
        choice = ModelChoice(name, api_key, server.base_url)
        client.create(choice)  # imports LiteLLM
        return Call(LiteLLMModel(choice, client._litellm(), Backoff(first=0.01)))

    return make


@pytest.fixture(autouse=True)
def _no_task_left_behind() -> Iterator[None]:
    yield

    async def others() -> list[str]:
        await asyncio.sleep(0)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        return [str(task.get_coro()) for task in tasks if "complete" in str(task.get_coro())]

    assert async_thread.run(others()).result(10) == []


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog
