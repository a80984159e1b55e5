"""Each process killed in the middle of a conversation of 30 steps: it goes on by itself, and each command ran once."""

import os
import signal
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest

from sandboxes.backends.process.places import Place
from tests.fakes.tcp_proxy import TcpProxy
from tests.faults.conftest import NewDatabase
from tests.faults.deployment import GOES_ON_SECONDS, Deployment, Task, await_value, descendants, processes

pytestmark = [
    pytest.mark.service("bwrap"),
    pytest.mark.service("redis"),
    pytest.mark.timeout(240),
]
STEPS = 30


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase) -> Iterator[Deployment]:
    home = tmp_path_factory.mktemp("kills") / "home"
    with Deployment(home, database_url=new_database(), SANDBOX_DEAD_AFTER="6") as deployment:
        yield deployment


@pytest.fixture(scope="module")
def api(deployment: Deployment) -> Iterator[httpx.Client]:
    with deployment.api() as api:
        yield api


def action_server_of(deployment: Deployment, task: Task) -> int:
    """The pid of the program in the sandbox, under whatever isolates it."""
    life = Place(deployment.home / "sandboxes", task.sandbox_id()).life()
    assert life
    inside = {life["pid"], *descendants(life["pid"])}
    servers = [pid for pid, _, command in processes() if pid in inside and "action_server" in command]
    return servers[-1]


def finish(task: Task, *, lost: int = 0) -> None:
    """The conversation goes on within the time promised, and to its end. One command may have been on its way."""
    took = task.await_progress(len(task.ran()) + 1)
    print(f"went on after {took:.1f} s")
    task.await_state("finished")
    task.check(lost=lost)
    if not lost:
        assert task.ran() == task.words


@pytest.mark.parametrize("program", ["agent", "web", "redis", "background"])
def test_a_killed_program_is_started_again_and_the_conversation_goes_on(
    deployment: Deployment, api: httpx.Client, program: str
) -> None:
    task = deployment.begin(api, steps=STEPS)
    task.await_words(8)
    pid = deployment.pid_of(program)
    deployment.kill(program)
    finish(task)
    assert deployment.pid_of(program) != pid


def test_a_killed_supervisor_leaves_no_server_behind_and_the_next_start_goes_on(
    deployment: Deployment, api: httpx.Client
) -> None:
    task = deployment.begin(api, steps=STEPS)
    task.await_words(8)
    programs = [deployment.pid_of(name) for name in ("web", "agent", "background", "redis")]
    deployment.kill("up")
    deployment.process.wait(10)
    await_value(lambda: not set(programs) & {pid for pid, _, _ in processes()}, seconds=5)
    since, begun = len(task.ran()), time.monotonic()
    deployment.start()
    await_value(lambda: len(task.ran()) > since + 1, seconds=GOES_ON_SECONDS)
    print(f"went on {time.monotonic() - begun:.1f} s after the next start")
    task.await_state("finished")
    task.check()
    assert task.ran() == task.words


def test_a_task_whose_own_process_is_killed_is_gone_on_with_by_the_server(
    deployment: Deployment, api: httpx.Client
) -> None:
    task, process = deployment.begin_without_a_server(api, steps=STEPS)
    task.await_words(8)
    process.kill()
    process.wait()
    finish(task)


def test_a_line_that_is_cut_loses_nothing(deployment: Deployment, api: httpx.Client) -> None:
    task = deployment.begin(api, steps=1)
    task.await_state("finished")
    sandbox = task.sandbox_id()
    name = sandbox if "DATABASE_URL" in deployment.environment else sandbox.hex
    url = deployment.query(f"SELECT url FROM sandboxes_runtime WHERE sandbox_id = '{name}'")[0][0]
    with TcpProxy("127.0.0.1", int(urlsplit(url).port or 0)) as line:
        deployment.query(
            f"UPDATE sandboxes_runtime SET url = 'http://127.0.0.1:{line.port}' WHERE sandbox_id = '{name}'"
        )
        task.go_on(steps=STEPS)
        for words in (5, 10, 15):
            task.await_words(words)
            line.cut()
            time.sleep(1)
            line.mend()
        finish(task)


@pytest.mark.parametrize("fault", [signal.SIGKILL, signal.SIGSTOP])
def test_a_killed_or_frozen_action_server_loses_the_open_action_and_comes_back_over_its_folder(
    deployment: Deployment, api: httpx.Client, fault: signal.Signals
) -> None:
    task = deployment.begin(api, steps=STEPS, seconds=0.5)
    task.await_words(8)
    pid = action_server_of(deployment, task)
    task.await_progress(len(task.ran()))  # a command has just begun
    os.kill(pid, fault)
    finish(task, lost=1)
    outcomes = [e["payload"]["outcome"] for e in task.events() if e["kind"] == "observation"]
    assert outcomes.count("lost") == 1
    boots = {e["payload"].get("boot_id") for e in task.events() if e["kind"] == "observation"} - {None}
    assert len(boots) == 2
