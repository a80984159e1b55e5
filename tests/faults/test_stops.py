"""A stop is on record within a second, whatever the agent is waiting for, and ends the command, whoever died."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.openai_server import OpenAIServer, Turn
from tests.faults.conftest import NewDatabase
from tests.faults.deployment import GOES_ON_SECONDS, Deployment, await_value, processes
from tests.faults.invariants import check_log
from tests.journeys.installation import events_of, wait_for_state

pytestmark = [
    pytest.mark.service("bwrap"),
    pytest.mark.service("redis"),
    pytest.mark.timeout(240),
]
SLEEP = f"sleep 600.{os.getpid()}"  # a mark that no other test's command has
# By the person's message: what the model does with it.
TURNS = {
    "a model that does not answer": Turn(text="too late", delay=600),
    "the middle of a reply": Turn(text="word by word", piece=1, pause=60),
    "the wait before a retry": Turn.failure(429, headers={"Retry-After": "30"}),
    "a long command": Turn.call("terminal", {"command": SLEEP}),
}


def turn_for(body: dict[str, Any]) -> Turn:
    return TURNS[asked(body)]


def asked(body: dict[str, Any]) -> str:
    return next(str(message["content"]) for message in body["messages"] if message["role"] == "user")


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with OpenAIServer(turn_for) as server:
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


@pytest.fixture(scope="module")
def api(deployment: Deployment) -> Iterator[httpx.Client]:
    with deployment.api() as api:
        yield api


def begin(api: httpx.Client, server: OpenAIServer, moment: str) -> str:
    """A conversation that is at that moment."""
    made = api.post("/conversations", json={"initial_message": moment}).raise_for_status().json()
    if moment == "a long command":
        await_value(is_asleep)
    else:
        await_value(lambda: moment in [asked(seen.body) for seen in server.requests])
        time.sleep(0.3)
    return str(made["id"])


def is_asleep() -> bool:
    return any(command.strip() == SLEEP for _, _, command in processes())


@pytest.mark.parametrize("moment", TURNS)
def test_a_stop_is_on_record_within_a_second_whatever_the_agent_waits_for(
    api: httpx.Client, server: OpenAIServer, moment: str
) -> None:
    conversation = begin(api, server, moment)
    begun = time.monotonic()
    api.post(f"/conversations/{conversation}/stop").raise_for_status()
    wait_for_state(api, conversation, "stopped", seconds=1)
    print(f"stopped after {time.monotonic() - begun:.2f} s")
    check_log(events_of(api, conversation))
    await_value(lambda: not is_asleep(), seconds=5)


def test_a_stop_that_a_killed_worker_did_not_hear_is_carried_out_by_the_next_and_ends_the_command(
    deployment: Deployment, api: httpx.Client, server: OpenAIServer
) -> None:
    conversation = begin(api, server, "a long command")
    deployment.kill("agent")
    api.post(f"/conversations/{conversation}/stop").raise_for_status()
    wait_for_state(api, conversation, "stopped", seconds=GOES_ON_SECONDS)
    await_value(lambda: not is_asleep(), seconds=5)
    check_log(events_of(api, conversation))
