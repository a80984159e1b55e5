"""The main job with real parts: a process sandbox, git, a provider behind LiteLLM's real HTTP path."""

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.openai_server import OpenAIServer, Turn
from tests.journeys.installation import Installation, events_of, wait_for_state
from tests.journeys.repository import EXIT_CODES, mending_turns, served_repository

pytestmark = [pytest.mark.service("bwrap"), pytest.mark.timeout(180)]
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
        "SANDBOX_BACKEND": "process",
    }


@pytest.mark.parametrize("stream", [True, False])
def test_run_task_mends_a_repository_without_a_server(tmp_path: Path, stream: bool) -> None:
    (tmp_path / "served").mkdir()
    with (
        served_repository(tmp_path / "served") as url,
        OpenAIServer(mending_turns(url)) as server,
    ):
        installation = Installation(tmp_path / "home", **provider(server, stream=stream))
        installation.manage("migrate", "--verbosity=0")
        ended = installation.manage("run_task", TASK, "--json", check=False)
    events = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    assert ended.returncode == 0, ended.stderr
    assert exit_codes(events) == EXIT_CODES
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert bool(server.requests[0].body.get("stream")) == stream
    left = [path for path in (tmp_path / "home" / "sandboxes").iterdir() if path.is_dir()]
    assert left == []


def test_the_api_mends_a_repository(tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    with (
        served_repository(tmp_path / "served") as url,
        OpenAIServer(mending_turns(url)) as server,
        Installation(tmp_path / "home", **provider(server, stream=True)) as installation,
        installation.api() as api,
    ):
        made = api.post("/conversations", json={"initial_message": TASK})
        assert made.status_code == 201, made.text
        conversation_id = made.json()["id"]
        assert wait_for_state(api, conversation_id, "finished", "error", "stuck") == "finished"
        events = events_of(api, conversation_id)
    assert exit_codes(events) == EXIT_CODES
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    edit = next(event for event in events if event["payload"].get("tool") == "file_editor")
    assert edit["payload"]["arguments"]["new_str"] == "return a + b"


def test_a_stop_also_ends_a_command_that_went_on_from_an_earlier_action(tmp_path: Path) -> None:
    seconds = f"600.{tmp_path.stat().st_ino}"  # a mark that no other test's command has
    turns = [
        Turn.call("terminal", {"command": f"sleep {seconds}", "timeout": 1}),
        Turn(text="never", delay=60),
    ]
    with (
        OpenAIServer(turns) as server,
        Installation(tmp_path / "home", **provider(server, stream=True)) as installation,
        installation.api() as api,
    ):
        made = api.post("/conversations", json={"initial_message": "Wait"}).json()
        until(lambda: len(server.requests) == 2)
        assert is_running(f"sleep {seconds}")
        api.post(f"/conversations/{made['id']}/stop")
        assert wait_for_state(api, made["id"], "stopped", seconds=2) == "stopped"
        until(lambda: not is_running(f"sleep {seconds}"))


def is_running(command: str) -> bool:
    return (
        subprocess.run(["pgrep", "-xf", re.escape(command)], capture_output=True, check=False).returncode == 0
    )


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.1)
