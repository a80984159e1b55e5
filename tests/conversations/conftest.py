"""A conversation, a Redis, and what reads and writes the database beside an event loop."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest
from pytest_django import Settings

from accounts.models import User
from conversations.models import Conversation
from conversations.services import start_conversation
from conversations.sockets.threads import in_thread
from openhands_site import redis_server
from tests.fakes.redis_process import RedisProcess

P = ParamSpec("P")
T = TypeVar("T")
_threads = ThreadPoolExecutor(4)


async def in_database(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The function's result, from a thread with a database connection of its own."""
    return await in_thread(_threads, function, *args, **kwargs)


@pytest.fixture
def conversation(owner: User) -> Conversation:
    """One that has just been started, with nobody at work on it."""
    return start_conversation(owner=owner, text="Begin")


@pytest.fixture
def redis_process(tmp_path: Path, settings: Settings) -> Iterator[RedisProcess]:
    """A running Redis that the settings name. The tests that use it are marked `service("redis")`."""
    with RedisProcess(redis_server.private_socket(tmp_path)) as process:
        settings.REDIS_URL = process.url
        yield process
