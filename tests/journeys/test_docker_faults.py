"""A container, the server and the engine itself break in the middle of a task on Docker: the task goes on."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandboxes.backends.docker import images
from tests.faults.deployment import PROGRAMS, children
from tests.journeys.installation import Installation, events_of, wait_for_state
from tests.journeys.places import docker_environment
from tests.sandboxes import engine

pytestmark = [pytest.mark.service("docker"), pytest.mark.timeout(400)]
BRIDGE = f"oh-{os.getpid()}"
STEPS = ["echo one >> kept", "echo two >> kept; sleep {seconds}", "echo three >> kept; cat kept"]


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    with docker_environment() as made:
        yield made


def file_task(api: httpx.Client, *, seconds: int) -> str:
    """A task whose second command takes this long; returns when that runs."""
    task = "\n".join(f"```bash\n{step.format(seconds=seconds)}\n```" for step in STEPS)
    conversation_id = str(api.post("/conversations", json={"initial_message": task}).json()["id"])
    wait_until(lambda: len(commands(events_of(api, conversation_id))) >= 2)
    time.sleep(1)  # the command is on its way into the sandbox
    return conversation_id


def commands(events: list[dict[str, Any]]) -> list[str]:
    """The ids of the actions that run in the sandbox."""
    return [event["id"] for event in events if event["payload"].get("tool") == "terminal"]


def outcomes_and_last_output(events: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    by_action = {
        event["payload"]["action_id"]: event["payload"] for event in events if event["kind"] == "observation"
    }
    observations = [by_action[action] for action in commands(events)]
    text = "".join(part["text"] for part in observations[-1]["content"])
    return [observation["outcome"] for observation in observations], text.split()[:3]


def wait_until(condition: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.3)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def the_container(environment: dict[str, str]) -> str:
    names = engine.belongings(environment["OPENHANDS_INSTALLATION_ID"])
    return next(name.removeprefix("/") for name in names if name.startswith("/"))


@pytest.mark.parametrize("fault", ["kill", "pause"])
def test_a_container_that_is_killed_or_frozen_comes_back_over_its_volume(
    tmp_path: Path, environment: dict[str, str], fault: str
) -> None:
    environment["SANDBOX_DEAD_AFTER"] = "6"
    with Installation(tmp_path / "home", **environment) as installation, installation.api() as api:
        conversation_id = file_task(api, seconds=60)
        subprocess.run(["docker", fault, the_container(environment)], check=True, capture_output=True)
        wait_for_state(api, conversation_id, "finished")
        events = events_of(api, conversation_id)
    assert outcomes_and_last_output(events) == (["ok", "lost", "ok"], ["one", "two", "three"])
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert engine.belongings(environment["OPENHANDS_INSTALLATION_ID"])  # its volumes


@pytest.mark.parametrize("victim", ["server", "worker"])
def test_a_server_or_worker_that_is_killed_finds_its_container_again_and_the_command_in_it_goes_on(
    tmp_path: Path, environment: dict[str, str], victim: str
) -> None:
    with Installation(tmp_path / "home", **environment) as installation, installation.api() as api:
        conversation_id = file_task(api, seconds=20)
        container = engine.inspect(the_container(environment))["Id"]
        if victim == "worker":
            (worker,) = children(installation.process.pid, PROGRAMS["agent"])
            os.kill(worker, signal.SIGKILL)
        else:
            os.killpg(installation.process.pid, signal.SIGKILL)
            installation.process.wait(10)
            installation.start()
        wait_for_state(api, conversation_id, "finished")
        assert engine.inspect(the_container(environment))["Id"] == container
        events = events_of(api, conversation_id)
    assert outcomes_and_last_output(events) == (["ok", "ok", "ok"], ["one", "two", "three"])


@contextmanager
def own_engine() -> Iterator[tuple[str, Callable[[], None]]]:
    """An engine beside the machine's, with the image of sandboxes: its address, and what ends it and starts it again."""
    # Not pytest's own folder: its path may be too long for those of an engine's sockets.
    folder = tempfile.mkdtemp(prefix="engine-")
    address = f"unix://{folder}/engine.sock"
    command = ["dockerd", "--host", address, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"]
    # A bridge of its own, and no rules: what the machine's engine has is not touched.
    command += [
        "--pidfile",
        f"{folder}/engine.pid",
        f"--bridge={BRIDGE}",
        "--iptables=false",
        "--ip-masq=false",
    ]
    running: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        with Path(folder, "engine.log").open("ab") as log:
            running.append(subprocess.Popen(command, stdout=log, stderr=log))
        client = ["docker", "--host", address, "version"]
        wait_until(lambda: subprocess.run(client, capture_output=True, check=False).returncode == 0)

    def end() -> None:
        running[-1].terminate()
        running[-1].wait(60)

    def restart() -> None:
        end()
        time.sleep(3)
        start()

    ip("link", "add", BRIDGE, "type", "bridge")
    ip("address", "add", "198.18.78.1/24", "dev", BRIDGE)
    try:
        start()
        with subprocess.Popen(["docker", "save", images.own_image()], stdout=subprocess.PIPE) as saved:
            load = ["docker", "--host", address, "load", "--quiet"]
            subprocess.run(load, stdin=saved.stdout, check=True, capture_output=True)
        yield address, restart
    finally:
        end()
        ip("link", "delete", BRIDGE)
        # What it leaves mounted, its network namespaces too, would keep the folder from being removed.
        for left in [*Path(folder, "exec", "netns").glob("*"), Path(folder, "data")]:
            subprocess.run(["umount", left], check=False, capture_output=True)
        shutil.rmtree(folder)


@pytest.mark.service("dockerd")
def test_an_engine_that_is_restarted_takes_a_command_and_no_file(tmp_path: Path) -> None:
    with own_engine() as (address, restart):
        environment = {"SANDBOX_BACKEND": "docker", "DOCKER_HOST": address}
        with Installation(tmp_path / "home", **environment) as installation, installation.api() as api:
            conversation_id = file_task(api, seconds=120)
            restart()
            wait_for_state(api, conversation_id, "finished", seconds=120)
            events = events_of(api, conversation_id)
        installation.manage("uninstall_docker", "--yes")
    assert outcomes_and_last_output(events) == (["ok", "lost", "ok"], ["one", "two", "three"])
