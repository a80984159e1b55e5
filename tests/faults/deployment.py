"""The real processes of an installation, each of which a test can find, kill and freeze.

`Deployment` is `manage.py up` as users run it. `Farm` starts the same programs without a supervisor, whose patience
with what dies again and again grows: there a test may kill as often as it likes.
"""

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import httpx
import psycopg

from openhands_site import die_with_parent, redis_server
from tests.fakes.redis_process import RedisProcess
from tests.faults.invariants import check_log
from tests.faults.points import Points
from tests.journeys.installation import ROOT, Installation, events_of

GOES_ON_SECONDS = 15  # the promise
PROGRAMS = {
    "web": "openhands_site.web",
    "agent": "agent@",
    "background": "background@",
    "redis": "redis-server",
}
T = TypeVar("T")
_numbers = itertools.count(1)


class Deployment(Installation):
    """`manage.py up`. `points` gives orders to its processes."""

    def __init__(self, home: Path, *, database_url: str = "", **environment: str) -> None:
        faults = home.parent / f"{home.name}.faults"
        if database_url:
            environment["DATABASE_URL"] = database_url
        environment = {"SANDBOX_BACKEND": "process", "OPENHANDS_FAULTS": str(faults), **environment}
        super().__init__(home, **environment)
        self.points = Points(faults)

    def api(self, transport: httpx.BaseTransport | None = None) -> httpx.Client:
        """One that bears with a web server that is just being started again."""
        return super().api(transport or PatientTransport())

    def pid_of(self, program: str) -> int:
        """Of "web", "agent", "background", "redis" or "up"; waits until there is one."""
        if program == "up":
            return self.process.pid
        return await_value(lambda: next(iter(children(self.process.pid, PROGRAMS[program])), None))

    def kill(self, program: str) -> None:
        os.kill(self.pid_of(program), signal.SIGKILL)

    def freeze(self, program: str) -> int:
        """Returns the pid. On SQLite between two of its writes: one that is frozen in a write keeps everybody waiting."""
        pid = self.pid_of(program)
        with ExitStack() as nobody_writes:
            if "DATABASE_URL" not in self.environment:
                database = nobody_writes.enter_context(closing(self._sqlite()))
                database.execute("BEGIN IMMEDIATE")
            os.kill(pid, signal.SIGSTOP)
            await_value(lambda: state_of(pid) == "T")
        return pid

    def begin(self, api: httpx.Client, *, steps: int, seconds: float = 0.25) -> "Task":
        words = new_words(steps)
        body = {"initial_message": as_blocks(words, seconds)}
        made = api.post("/conversations", json=body).raise_for_status().json()
        return Task(self, api, made["id"], words)

    def begin_without_a_server(
        self, api: httpx.Client, *, steps: int, seconds: float = 0.25
    ) -> "tuple[Task, subprocess.Popen[bytes]]":
        """By `manage.py run_task`, which is a worker of its own."""
        words = new_words(steps)
        known = {made["id"] for made in api.get("/conversations").json()["items"]}
        command = [sys.executable, "manage.py", "run_task", as_blocks(words, seconds)]
        with self.log.open("ab") as log:
            process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        begun = await_value(lambda: {m["id"] for m in api.get("/conversations").json()["items"]} - known)
        return Task(self, api, begun.pop(), words), process

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of the installation's own database; what it changes is committed."""
        url = self.environment.get("DATABASE_URL", "")
        if url.startswith("postgres"):
            with psycopg.connect(url, autocommit=True) as server:
                cursor = server.execute(sql.encode())
                return cursor.fetchall() if cursor.description else []
        with closing(self._sqlite()) as file, file:
            return file.execute(sql).fetchall()

    def _sqlite(self) -> sqlite3.Connection:
        return sqlite3.connect(self.home / "openhands.sqlite3", timeout=30)


class Farm(Deployment):
    """Redis, web and as many workers as a test starts, without a supervisor. Workers are forked from a process that
    has loaded everything, so that one is there in a moment."""

    def __init__(self, home: Path, *, database_url: str = "", **environment: str) -> None:
        self.redis = RedisProcess(redis_server.private_socket(home))
        environment = {"REDIS_URL": self.redis.url, "DATABASE_POOL": "8", **environment}
        super().__init__(home, database_url=database_url, **environment)
        self.workers: dict[str, int] = {}
        self._births = threading.Lock()

    def start(self) -> None:
        self.manage("migrate", "--verbosity=0")
        self.redis.start()
        with self.log.open("ab") as log:
            self.web = self._popen(["-m", "openhands_site.web"], stdout=log, stderr=log)
            self.nursery = self._popen(
                ["-m", "tests.faults.nursery"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log
            )
        await_value(self._is_ready, seconds=60)

    def stop(self) -> None:
        for pid in self.workers.values():
            signal_to(pid, signal.SIGKILL)
        for process in (self.nursery, self.web):
            process.kill()
            process.communicate()
        self.manage("shell", "--no-imports", "-c", "from sandboxes import reconcile; reconcile.end_all()")
        self.redis.stop()

    def start_worker(self, name: str, queues: str = "agent,sandboxes,default,integrations") -> int:
        """In the place of the last one of that name."""
        assert self.nursery.stdin
        assert self.nursery.stdout
        with self._births:
            self.nursery.stdin.write(f"{name} {queues}\n".encode())
            self.nursery.stdin.flush()
            self.workers[name] = int(self.nursery.stdout.readline())
            return self.workers[name]

    def pid_of(self, program: str) -> int:
        return self.web.pid if program == "web" else self.workers[program]

    def _is_ready(self) -> bool:
        assert self.web.poll() is None, self.log.read_text()[-5000:]
        try:
            return httpx.get(f"{self.url}/ready", timeout=2, trust_env=False).status_code == 200
        except httpx.HTTPError:
            return False

    def _popen(self, arguments: list[str], **streams: Any) -> "subprocess.Popen[bytes]":
        tied = [sys.executable, "-IS", die_with_parent.__file__, str(os.getpid()), sys.executable, "-P"]
        environment = {**self.environment, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen([*tied, *arguments], cwd=ROOT, env=environment, **streams)


class PatientTransport(httpx.HTTPTransport):
    """Tries again where nobody listens, and asks again where an answer to a question was cut off."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        deadline = time.monotonic() + GOES_ON_SECONDS
        while True:
            try:
                return super().handle_request(request)
            except httpx.TransportError as error:
                may_repeat = request.method == "GET" or isinstance(error, httpx.ConnectError)
                if not may_repeat or time.monotonic() > deadline:
                    raise
                time.sleep(0.1)


class Task:
    """A conversation of many commands, each of which leaves a word of its own in the file `ran`."""

    def __init__(self, deployment: Deployment, api: httpx.Client, pk: str, words: list[str]) -> None:
        self.deployment, self.api, self.id, self.words = deployment, api, pk, words

    def go_on(self, *, steps: int, seconds: float = 0.25) -> None:
        """Another message of such commands."""
        words = new_words(steps)
        self.words += words
        self.api.post(
            f"/conversations/{self.id}/messages", json={"text": as_blocks(words, seconds)}
        ).raise_for_status()

    def order(self, order: str) -> None:
        self.api.post(f"/conversations/{self.id}/{order}").raise_for_status()

    def conversation(self) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(f"/conversations/{self.id}").raise_for_status().json()
        return found

    def events(self) -> list[dict[str, Any]]:
        return events_of(self.api, self.id)

    def sandbox_id(self) -> UUID:
        conversation = UUID(self.id)
        name = conversation if "DATABASE_URL" in self.deployment.environment else conversation.hex
        query = f"SELECT sandbox_id FROM conversations_conversation WHERE id = '{name}'"
        return UUID(str(self.deployment.query(query)[0][0]))

    def ran(self) -> list[str]:
        """The words in the order in which the commands wrote them."""
        folder = self.deployment.home / "sandboxes" / str(self.sandbox_id()) / "workspace"
        return (folder / "ran").read_text().split() if (folder / "ran").exists() else []

    def await_words(self, count: int, seconds: float = 60) -> None:
        await_value(lambda: len(self.ran()) >= count, seconds=seconds)

    def await_progress(self, since: int, seconds: float = GOES_ON_SECONDS) -> float:
        """Waits until more than `since` commands ran. Returns how long that took, in seconds."""
        begun = time.monotonic()
        self.await_words(since + 1, seconds)
        return time.monotonic() - begun

    def await_state(self, *states: str, seconds: float = 60) -> str:
        return await_value(
            lambda: state if (state := str(self.conversation()["agent_state"])) in states else None,
            seconds=seconds,
        )

    def check(self, *, lost: int = 0) -> None:
        """The log is sound and at rest, and all that was asked for ran once, but for as many as may be lost."""
        check_log(self.events(), ran=self.ran())
        missing = [word for word in self.words if word not in self.ran()]
        assert len(missing) <= lost, f"never ran: {missing}"


def new_words(count: int) -> list[str]:
    return [f"word{next(_numbers)}" for _ in range(count)]


def as_blocks(words: list[str], seconds: float) -> str:
    return "\n".join(f"```bash\necho {word} >> ran; sleep {seconds}\n```" for word in words)


def children(pid: int, mark: str) -> list[int]:
    """The processes whose parent is `pid` and whose command line holds `mark`."""
    return [child for child, parent, command in processes() if parent == pid and mark in command]


def descendants(pid: int) -> list[int]:
    table = list(processes())
    found, waiting = [], [pid]
    while waiting:
        parent = waiting.pop()
        below = [child for child, above, _ in table if above == parent]
        found += below
        waiting += below
    return found


def processes() -> list[tuple[int, int, str]]:
    """The pid, its parent and the command line of every process that runs."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            state, parent = _stat(folder)
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if state not in "ZX":
            found.append((int(folder.name), int(parent), command))
    return found


def state_of(pid: int) -> str:
    """One letter, as `ps` shows it."""
    return _stat(Path(f"/proc/{pid}"))[0]


def _stat(folder: Path) -> list[str]:
    """The state and the parent, from a process's folder in /proc."""
    return (folder / "stat").read_text().rpartition(")")[2].split()[:2]


def signal_to(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def await_value(ask: Callable[[], T | None], seconds: float = 30) -> T:
    """What `ask` returns once that is something."""
    deadline = time.monotonic() + seconds
    while not (value := ask()):
        assert time.monotonic() < deadline, f"it did not come to pass within {seconds} s"
        time.sleep(0.05)
    return value
