"""A Daphne of a test's own: the product's application on a port of its own, with the test's database and Redis."""

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from django.db import connection

ROOT = Path(__file__).resolve().parents[2]


def database_url() -> str:
    """The test database, as the product's settings take it."""
    settings = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{settings['NAME']}"
    user, password, host = (quote(str(settings[name]), safe="") for name in ("USER", "PASSWORD", "HOST"))
    return f"postgres://{user}:{password}@{host}:{settings['PORT'] or 5432}/{settings['NAME']}"


class DaphneProcess:
    def __init__(self, redis_url: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self._environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "openhands_site.settings",
            "DATABASE_URL": database_url(),
            "REDIS_URL": redis_url,
            "PORT": str(self.port),
        }

    def __enter__(self) -> "DaphneProcess":
        command = [sys.executable, "-m", "openhands_site.web"]
        self._process = subprocess.Popen(command, cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while not self._listens():
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.__exit__()
                raise TimeoutError("Daphne did not start")
            time.sleep(0.05)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()

    def memory(self) -> int:
        """Bytes of memory that it has in use."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0
