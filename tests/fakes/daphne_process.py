"""A Daphne of a test's own: the product's application on a port of its own, with the test's database and Redis."""

import os
import re
import socket
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from django.db import connection

from tests.fakes.ports import free_port

ROOT = Path(__file__).resolve().parents[2]


def database_url(port: int = 0) -> str:
    """The test database, as the product's settings take it; on PostgreSQL behind another port, where one is given."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{settings['NAME']}"
    user, password, host = (quote(str(settings[name]), safe="") for name in ("USER", "PASSWORD", "HOST"))
    return f"postgres://{user}:{password}@{host}:{port or settings['PORT'] or 5432}/{settings['NAME']}"


def resident_bytes(pid: int) -> int:
    """The memory that a process has in use."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1]) * 1024


class DaphneProcess:
    """It keeps its port when it is stopped and started again. `environment` adds to the product's variables, and
    what it logs goes to the end of `log`, or to our own stderr."""

    def __init__(self, redis_url: str, *, log: Path | None = None, **environment: str) -> None:
        self._log = log
        self.port = free_port()
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "openhands_site.settings",
            "DATABASE_URL": database_url(),
            "REDIS_URL": redis_url,
            "PORT": str(self.port),
            **environment,
        }

    def __enter__(self) -> "DaphneProcess":
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when it listens."""
        command = [sys.executable, "-m", "openhands_site.web"]
        with self._log.open("a") if self._log else nullcontext() as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stderr=log
            )
        deadline = time.monotonic() + 30
        while not self._listens():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.stop()
                raise TimeoutError("Daphne did not start")
            time.sleep(0.05)

    def stop(self) -> None:
        """Kills it, as a machine that runs out of memory does."""
        self._process.kill()
        self._process.wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    def memory(self) -> int:
        """Bytes of memory that it has in use."""
        return resident_bytes(self.pid)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
