"""What a measure is given: which database, how thorough to be, and servers started as `make run` starts them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from benchmarks import postgres
from benchmarks.machine import ROOT, Process, free_port, processes
from benchmarks.watching import Watchers

START_SECONDS, STOP_SECONDS, SETTLE_SECONDS = 60, 60, 900
# The product reads these; what stands in the environment of whoever measures must not count.
FOREIGN = ("OPENHANDS_", "LLM_", "SANDBOX_", "DJANGO_", "DATABASE_", "REDIS_", "LOG_")
SETTLED = {"idle", "finished", "error", "stuck", "limit_reached", "stopped"}


@dataclass(frozen=True)
class Bench:
    """`server_url` is a PostgreSQL's, or empty for SQLite. `quick` is a look that proves that it runs."""

    server_url: str = ""
    quick: bool = False

    @property
    def runs(self) -> int:
        return 1 if self.quick else 3

    def count(self, full: int, quick: int) -> int:
        return quick if self.quick else full

    @contextmanager
    def installation(self, **environment: str) -> Iterator["Installation"]:
        """A server of its own with a stand-in for the model's provider, from its readiness to its end."""
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            self._database() as database_url,
            provider() as provider_url,
        ):
            # Beside the sandboxes' own users, who have to reach their folders.
            Path(folder).chmod(0o755)
            more = {"DATABASE_URL": database_url} if database_url else {}
            installation = Installation(Path(folder) / "home", provider_url, **more, **environment)
            installation.start()
            try:
                yield installation
            except BaseException:
                print(installation.log.read_text()[-4000:], file=sys.stderr)
                raise
            finally:
                installation.end()
                shutil.rmtree(installation.home, ignore_errors=True)

    def _database(self) -> AbstractContextManager[str]:
        return postgres.database(self.server_url) if self.server_url else nullcontext("")


@contextmanager
def provider() -> Iterator[str]:
    """The URL of a stand-in provider, a process of its own."""
    command = [sys.executable, "-m", "benchmarks.provider"]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        yield process.stdout.readline().strip()
        process.communicate(timeout=10)


@dataclass(frozen=True)
class Conversation:
    id: str
    mark: str
    posted_at: float
    """By the machine's monotonic clock, as the provider's."""


class Installation:
    """`manage.py up` with a data folder and a port of its own."""

    def __init__(self, home: Path, provider_url: str, **environment: str) -> None:
        self.home = home
        self.provider_url = provider_url
        self.port = free_port()
        self.log = home.parent / "log"
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(FOREIGN) and name != "PORT"
        }
        self.environment = {
            **inherited,
            "DJANGO_SETTINGS_MODULE": "openhands_site.settings",
            "OPENHANDS_HOME": str(home),
            "PORT": str(self.port),
            "SANDBOX_BACKEND": "process",
            "LLM_MODEL": "openai/steps-1-0-default",
            "LLM_BASE_URL": f"{provider_url}/v1",
            "LLM_API_KEY": "sk-stand-in",
            **environment,
        }

    def start(self, command: tuple[str, ...] = (sys.executable, "manage.py", "up")) -> float:
        """Seconds from the call until the server is ready."""
        begun = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        while not self._is_ready():
            assert self.process.poll() is None, f"the server ended:\n{self.log.read_text()[-3000:]}"
            assert time.monotonic() < begun + START_SECONDS, f"not ready:\n{self.log.read_text()[-3000:]}"
            time.sleep(0.02)
        return time.monotonic() - begun

    def end(self) -> None:
        """Ends the server; `start` starts it again on the same data."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"http://localhost:{self.port}/ready", timeout=2, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    # What is inside: the product's own code, in a process of its own.

    def inside(self, *arguments: object) -> Any:
        """What `benchmarks.inside` answers to this order."""
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.inside", *map(str, arguments)],
            cwd=ROOT,
            env=self.environment,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return json.loads(done.stdout.splitlines()[-1])

    # What any client can do.

    @property
    def key(self) -> str:
        """The administrator's API key, made at the first use."""
        if not hasattr(self, "_key"):
            self._key: str = self.inside("key")
        return self._key

    def api(self) -> httpx.Client:
        return httpx.Client(
            base_url=f"http://localhost:{self.port}/api",
            headers={"Authorization": f"Bearer {self.key}"},
            timeout=60,
            trust_env=False,
        )

    def file(
        self, api: httpx.Client, steps: int, milliseconds: int = 0, *, held: bool = False
    ) -> Conversation:
        """Starts a conversation of so many steps, the model taking so long for each; `held`, it stops at its first
        call until `release`."""
        mark = "held" * held + uuid.uuid4().hex[:12]
        posted_at = time.monotonic()
        answer = api.post("/conversations", json=task(steps, milliseconds, mark))
        assert answer.status_code == 201, answer.text
        return Conversation(answer.json()["id"], mark, posted_at)

    def release(self, count: int, over: float = 0.0) -> float:
        """Lets those go on that were filed as held, once so many of them have come to their first call: all in one
        moment, or spread evenly over so many seconds. Returns when that was."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while httpx.get(f"{self.provider_url}/held", trust_env=False).json() < count:
            assert time.monotonic() < deadline, "the conversations did not all come to their first call"
            time.sleep(0.1)
        released = time.time()
        httpx.get(f"{self.provider_url}/release", params={"over": over}, trust_env=False)
        return released

    def calls(self, mark: str) -> list[tuple[float, float]]:
        """When each call of the model came and was answered."""
        answer = httpx.get(f"{self.provider_url}/requests/{mark}", trust_env=False)
        return [(came, answered) for came, answered in answer.json()]

    def watch(self, *conversation_ids: str, after: int = 0, processes: int = 1) -> Watchers:
        return Watchers(self.port, self.key, [(each, after) for each in conversation_ids], processes)

    def processes(self) -> dict[str, Process]:
        """Its processes by their role; of the sandboxes' the last."""
        return {self.role(process): process for process in self.tree()}

    @staticmethod
    def role(process: Process) -> str:
        return next((role for role, sign in ROLES.items() if sign in process.command), "in the sandbox")

    def tree(self) -> list[Process]:
        """All that came of `up`, sandboxes with what runs in them too."""
        table = processes()
        home = str(self.home)
        chosen = {pid for pid, each in table.items() if pid == self.process.pid or home in each.command}
        while more := {pid for pid, each in table.items() if each.parent in chosen} - chosen:
            chosen |= more
        return [table[pid] for pid in sorted(chosen)]


# What tells each process from the others; the first that fits counts.
ROLES = {
    "web": "openhands_site.web",
    "agent worker": "agent@",
    "background worker": "background@",
    "redis": "redis-server",
    "supervisor": "manage.py up",
    "bubblewrap": "bwrap ",
    "action server": "sandboxes.action_server",
}


def task(steps: int, milliseconds: int, mark: str) -> dict[str, object]:
    model = f"openai/steps-{steps}-{milliseconds}-{mark}"
    return {"initial_message": f"Count to {steps}.", "model": model, "max_steps": steps + 10}


def wait_until_settled(
    api: httpx.Client, *conversations: Conversation, seconds: float = SETTLE_SECONDS
) -> None:
    """Returns when all have finished; looks seldom, so as not to be a load of its own."""
    deadline = time.monotonic() + seconds
    for conversation in conversations:
        while True:
            found = api.get(f"/conversations/{conversation.id}").json()
            if found["agent_state"] in SETTLED:
                break
            assert time.monotonic() < deadline, f"still {found['agent_state']}"
            time.sleep(0.25)
        assert found["agent_state"] == "finished", found


def events_of(api: httpx.Client, conversation: Conversation) -> list[dict[str, Any]]:
    """The whole log, page by page."""
    events: list[dict[str, Any]] = []
    after: int | None = 0
    while after is not None:
        parameters = {"after": after, "limit": 1000}
        page = api.get(f"/conversations/{conversation.id}/events", params=parameters).json()
        events += page["items"]
        after = page["next"]
    return events


def observed(api: httpx.Client, filed: Sequence[Conversation]) -> list[list[float]]:
    """When each conversation's observations were written."""
    return [
        [moment(each["created_at"]) for each in events_of(api, one) if each["kind"] == "observation"]
        for one in filed
    ]


def moment(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()
