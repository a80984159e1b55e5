"""A real action server in a process of its own, and a client that speaks its protocol."""

import http.client
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import pytest

from sandboxes.protocol import Result

KEY = "open-sesame"
MODULE = "sandboxes.action_server"
START = f"import runpy; runpy.run_module({MODULE!r}, run_name='__main__')"
ROOT = Path(__file__).parents[3]


class Server:
    """A started action server; `folder` holds its workspace `ws` and its `data`, `prelude` is what Python does before."""

    def __init__(
        self,
        folder: Path,
        *options: str,
        key_on_stdin: bool = False,
        prelude: str = "",
        stderr: IO[bytes] | None = None,
        **environment: str,
    ) -> None:
        self.folder = folder
        self.workspace = folder / "ws"
        self.home = folder / "home"
        self.home.mkdir(parents=True)
        self.key_file = folder / "key"
        self.key_file.write_text(KEY + "\n")
        announce = folder / "announced"
        # pytest tells there which test is on, and its parameters: keys that are almost right, of one.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
        start = ("-c", f"{prelude}\n{START}") if prelude else ("-m", MODULE)
        self.process = subprocess.Popen(
            [
                *(sys.executable, *start, "--announce", str(announce), *options),
                *("--workspace", str(self.workspace), "--data", str(folder / "data")),
                *("--key-file", "-" if key_on_stdin else str(self.key_file)),
            ],
            cwd=ROOT,
            env={**inherited, "HOME": str(self.home), **environment},
            stdin=subprocess.PIPE if key_on_stdin else subprocess.DEVNULL,
            stderr=stderr,
        )
        if self.process.stdin:
            self.process.stdin.write(KEY.encode() + b"\n")
            self.process.stdin.close()
        deadline = time.monotonic() + 20
        while not announce.exists():
            assert self.process.poll() is None, "the action server did not start"
            assert time.monotonic() < deadline
            time.sleep(0.005)
        self.announced = json.loads(announce.read_text())
        self.boot_id = self.announced["boot_id"]

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        key: str | None = KEY,
        timeout: float = 60,
        stored: str | None = None,
    ) -> tuple[int, Any]:
        """One request on a connection of its own; `body` is JSON unless it is bytes."""
        connection = http.client.HTTPConnection("127.0.0.1", self.announced["port"], timeout=timeout)
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        if stored is not None:
            headers["Stored"] = stored
        data = body if isinstance(body, bytes) or body is None else json.dumps(body)
        with closing(connection):
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            answer = response.read()
        return response.status, json.loads(answer) if answer.startswith(b"{") else answer

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(20)


class Conversation:
    """The requests of one conversation, so that tests which share a server share no shell."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.id = str(uuid.uuid4())

    def body(self, tool: str, arguments: Any) -> dict[str, Any]:
        body = {"conversation_id": self.id, "boot_id": self.server.boot_id, "fence": 1}
        return {**body, "tool": tool, "arguments": arguments}

    def act(self, tool: str, action_id: str = "", **arguments: Any) -> Result:
        path = f"/actions/{action_id or uuid.uuid4()}"
        status, answer = self.server.request("PUT", path, self.body(tool, arguments))
        assert status == 200, answer
        return Result.from_json(answer)

    def terminal(self, command: str, **arguments: Any) -> Result:
        return self.act("terminal", command=command, **arguments)

    def text(self, command: str, **arguments: Any) -> str:
        return self.terminal(command, **arguments).content[0].text


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that leave it as it was."""
    started = Server(tmp_path_factory.mktemp("server"), OPENHANDS_TEST_SECRET="ours", FROM_IMAGE="theirs")
    yield started
    started.stop()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start a server of the test's own; it is ended afterwards."""
    started: list[Server] = []

    def start(*options: str, **more: Any) -> Server:
        started.append(Server(tmp_path / str(len(started)), *options, **more))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.stop()


@pytest.fixture
def conversation(server: Server) -> Conversation:
    return Conversation(server)


def eventually(claim: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether `claim` comes true in time."""
    deadline = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def is_alive(pid: int) -> bool:
    """Whether the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
