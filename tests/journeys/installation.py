"""A whole installation as a user runs it: `manage.py up` in a data folder of its own, on loopback."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.fakes.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60
STOP_SECONDS = 40


class Installation:
    """Started by `with`, ended with SIGTERM; `manage` runs one command of it."""

    def __init__(self, home: Path, **environment: str) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.log = home.parent / f"{home.name}.log"
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("OPENHANDS_", "LLM_", "SANDBOX_", "DJANGO_"))
            and name not in {"DATABASE_URL", "REDIS_URL", "PORT", "LOG_JSON", "CI"}
        }
        self.environment = {
            **inherited,
            "DJANGO_SETTINGS_MODULE": "openhands_site.settings",
            "OPENHANDS_HOME": str(home),
            "PORT": str(self.port),
            **environment,
        }

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self.stop()
        if error is not None:
            print(self.log.read_text()[-20_000:])

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            assert self.process.poll() is None, f"`up` ended:\n{self.log.read_text()[-5000:]}"
            assert time.monotonic() < deadline, f"`up` is not ready:\n{self.log.read_text()[-5000:]}"
            try:
                if httpx.get(f"{self.url}/ready", timeout=2, trust_env=False).status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.1)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(STOP_SECONDS)

    def manage(self, *arguments: str, check: bool = True) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            check=check,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def api(self, transport: httpx.BaseTransport | None = None) -> httpx.Client:
        """A client of the REST API with the administrator's key."""
        key = self.manage("create_api_key").stdout.strip().splitlines()[-1]
        return httpx.Client(
            base_url=f"{self.url}/api",
            headers={"Authorization": f"Bearer {key}"},
            timeout=30,
            trust_env=False,
            transport=transport,
        )


def events_of(api: httpx.Client, conversation_id: str) -> list[dict[str, Any]]:
    """The whole log, page by page."""
    events: list[dict[str, Any]] = []
    while True:
        after = events[-1]["sequence"] if events else 0
        page = api.get(f"/conversations/{conversation_id}/events", params={"after": after}).json()
        events += page["items"]
        if page["next"] is None:
            return events


def wait_for_state(api: httpx.Client, conversation_id: str, *states: str, seconds: float = 60) -> str:
    deadline = time.monotonic() + seconds
    while True:
        state = str(api.get(f"/conversations/{conversation_id}").json()["agent_state"])
        if state in states:
            return state
        assert time.monotonic() < deadline, f"still {state}: {events_of(api, conversation_id)[-3:]}"
        time.sleep(0.1)
