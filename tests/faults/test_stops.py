"""A stop is on record within a second, whatever the agent is waiting for."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from tests.fakes.openai_server import OpenAIServer, Turn
from tests.faults.conftest import NewDatabase
from tests.faults.deployment import Deployment, await_value
from tests.faults.invariants import check_log
from tests.journeys.installation import events_of, wait_for_state

pytestmark = [pytest.mark.service("bwrap"), pytest.mark.service("redis"), pytest.mark.timeout(240)]
SLEEP = Turn.call("terminal", {"command": "echo begun > begun; sleep 600"})


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    turns = [
        Turn(text="too late", delay=600),
        Turn(text="word by word", piece=1, pause=60),
        Turn.failure(429, headers={"Retry-After": "30"}),
        SLEEP,
    ]
    with OpenAIServer(turns) as server:
        yield server


@pytest.fixture(scope="module")
def deployment(
    tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase, server: OpenAIServer
) -> Iterator[Deployment]:
    home: Path = tmp_path_factory.mktemp("stops") / "home"
    provider = {
        "LLM_MODEL": "openai/stand-in",
        "LLM_BASE_URL": server.base_url,
        "LLM_API_KEY": server.api_key,
    }
    with Deployment(home, database_url=new_database(), **provider) as deployment:
        yield deployment


def test_a_stop_is_on_record_within_a_second_whatever_the_agent_waits_for(
    deployment: Deployment, server: OpenAIServer
) -> None:
    """A model that does not answer, one in the middle of its reply, the wait before a retry, a long command."""
    with deployment.api() as api:
        for requests in (1, 2, 3):
            begin_and_stop(api, lambda requests=requests: len(server.requests) >= requests)  # type: ignore[misc]
        begin_and_stop(api, lambda: list(deployment.home.rglob("begun")))


def begin_and_stop(api: httpx.Client, is_waiting: Callable[[], object]) -> None:
    conversation = str(
        api.post("/conversations", json={"initial_message": "Go"}).raise_for_status().json()["id"]
    )
    await_value(is_waiting)
    time.sleep(0.3)
    begun = time.monotonic()
    api.post(f"/conversations/{conversation}/stop").raise_for_status()
    wait_for_state(api, conversation, "stopped", seconds=1)
    print(f"stopped after {time.monotonic() - begun:.2f} s")
    check_log(events_of(api, conversation))
