"""The main job with real parts: a real sandbox, git, a provider behind LiteLLM's real HTTP path."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.openai_server import OpenAIServer, Turn
from tests.journeys import places
from tests.journeys.installation import Installation, events_of, wait_for_state
from tests.journeys.places import Place
from tests.journeys.repository import EXIT_CODES, mending_turns

pytestmark = pytest.mark.timeout(300)
PLACES = [
    pytest.param("process", marks=pytest.mark.service("bwrap")),
    pytest.param("docker", marks=pytest.mark.service("docker")),
]
TASK = "The test of the project fails. Mend it and commit."


def exit_codes(events: list[dict[str, Any]]) -> list[int]:
    metas = [event["payload"].get("meta", {}) for event in events if event["kind"] == "observation"]
    return [meta["exit_code"] for meta in metas if meta.get("exit_code") is not None]


def provider(server: OpenAIServer, *, stream: bool) -> dict[str, str]:
    return {
        "LLM_MODEL": "openai/gpt-4o",
        "LLM_BASE_URL": server.base_url,
        "LLM_API_KEY": server.api_key,
        "LLM_STREAM": "1" if stream else "0",
    }


@contextmanager
def serving(turns: Sequence[Turn], home: Path) -> Iterator[tuple[OpenAIServer, httpx.Client]]:
    """A provider that streams these turns, and the API of an installation that asks it and has process sandboxes."""
    with (
        OpenAIServer(turns) as server,
        Installation(home, **provider(server, stream=True), SANDBOX_BACKEND="process") as installation,
        installation.api() as api,
    ):
        yield server, api


@pytest.fixture(params=PLACES, scope="module")
def prepared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Made once: building an image takes seconds."""
    made = (
        places.docker()
        if request.param == "docker"
        else places.processes(tmp_path_factory.mktemp("at") / "s")
    )
    with made as there:
        yield there


@pytest.fixture
def place(prepared: Place) -> Iterator[Place]:
    with prepared.of_its_own() as there:
        yield there


@pytest.mark.parametrize("stream", [True, False])
def test_run_task_mends_a_repository_without_a_server(tmp_path: Path, place: Place, stream: bool) -> None:
    with OpenAIServer(mending_turns(place.project)) as server:
        # In a new data folder: the command makes the database itself.
        installation = Installation(tmp_path / "home", **provider(server, stream=stream), **place.environment)
        ended = installation.manage("run_task", TASK, "--json", "--image", place.image, check=False)
    events = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    assert ended.returncode == 0, ended.stderr
    assert exit_codes(events) == EXIT_CODES
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert bool(server.requests[0].body.get("stream")) == stream
    assert place.left(tmp_path / "home") == []


def test_the_api_mends_a_repository(tmp_path: Path, place: Place) -> None:
    with (
        OpenAIServer(mending_turns(place.project)) as server,
        Installation(tmp_path / "home", **provider(server, stream=True), **place.environment) as installation,
        installation.api() as api,
    ):
        made = api.post("/conversations", json={"initial_message": TASK, "image": place.image})
        assert made.status_code == 201, made.text
        conversation_id = made.json()["id"]
        assert wait_for_state(api, conversation_id, "finished", "error", "stuck") == "finished"
        events = events_of(api, conversation_id)
    assert exit_codes(events) == EXIT_CODES
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    edit = next(event for event in events if event["payload"].get("tool") == "file_editor")
    assert edit["payload"]["arguments"]["new_str"] == "return a + b"


@pytest.mark.service("bwrap")
def test_a_stop_also_ends_a_command_that_went_on_from_an_earlier_action(tmp_path: Path) -> None:
    """While the model is called, and by a worker that the stop wakes where nobody is at work."""
    seconds = f"600.{tmp_path.stat().st_ino}"  # a mark that no other test's command has
    sleep = Turn.call("terminal", {"command": f"sleep {seconds}", "timeout": 1})
    turns = [sleep, Turn(text="never", delay=60), sleep, Turn(text="It sleeps.")]
    with serving(turns, tmp_path / "home") as (server, api):
        made = api.post("/conversations", json={"initial_message": "Wait"}).json()
        until(lambda: len(server.requests) == 2)
        assert is_running(f"sleep {seconds}")
        api.post(f"/conversations/{made['id']}/stop")
        assert wait_for_state(api, made["id"], "stopped", seconds=2) == "stopped"
        until(lambda: not is_running(f"sleep {seconds}"))
        made = api.post("/conversations", json={"initial_message": "Wait"}).json()
        assert wait_for_state(api, made["id"], "idle") == "idle"
        assert is_running(f"sleep {seconds}")
        for order in ("pause", "stop"):
            api.post(f"/conversations/{made['id']}/{order}").raise_for_status()
        until(lambda: not is_running(f"sleep {seconds}"))


@pytest.mark.service("bwrap")
def test_after_a_stop_the_shell_is_open_even_if_its_command_heeds_no_interrupt_and_prints_on(
    tmp_path: Path,
) -> None:
    mark = f"0.1{tmp_path.stat().st_ino}"
    stubborn = f"trap '' INT; sleep 3; while :; do echo on; sleep {mark}; done"
    turns = [
        Turn.call("terminal", {"command": f'bash -c "{stubborn}"', "timeout": 1}),
        Turn(text="It goes on."),
        Turn.call("terminal", {"command": "echo open"}),
        Turn(text="Done."),
    ]
    with serving(turns, tmp_path / "home") as (server, api):
        made = api.post("/conversations", json={"initial_message": "Wait"}).json()
        assert wait_for_state(api, made["id"], "idle") == "idle"
        until(lambda: is_running(f"sleep {mark}"))
        for order in ("pause", "stop"):
            api.post(f"/conversations/{made['id']}/{order}").raise_for_status()
        until(lambda: not is_running(f"bash -c {stubborn}"))
        api.post(f"/conversations/{made['id']}/messages", json={"text": "Go on"}).raise_for_status()
        until(lambda: len(server.requests) == 4)
        assert "open" in str(server.requests[-1].body["messages"][-1])
        assert "Another action" not in str(server.requests[-1].body)


def is_running(command: str) -> bool:
    return (
        subprocess.run(["pgrep", "-xf", re.escape(command)], capture_output=True, check=False).returncode == 0
    )


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.1)
