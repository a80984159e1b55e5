"""The processes that an `up` has started, in a file of its data folder, so that the next one can end what is left.

On Linux they die with it; elsewhere nobody sees to that. A pid alone proves nothing, for the next process may
have it by now: the time at which the process started stands beside it, and what does not match is left alone.
"""

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import structlog

PROC = Path("/proc")
log = structlog.get_logger(__name__)


def started_at(pid: int) -> str:
    """When the process started, in words that no other process of this pid has; empty where there is none."""
    try:
        if (PROC / "self" / "stat").exists():
            fields = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
            boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
            return "" if fields[0] == "Z" else f"{boot} {fields[19]}"
        listed = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return listed.stdout.strip()
    except OSError:
        return ""


class Register:
    """One file; only the holder of the data folder's lock uses it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._started: dict[str, str] = self._load()

    def add(self, pid: int) -> None:
        self._started[str(pid)] = started_at(pid)
        self._save()

    def remove(self, pid: int) -> None:
        self._started.pop(str(pid), None)
        self._save()

    def end_survivors(self, patience: float = 5.0) -> list[int]:
        """Ends those of the last `up` that still run, and returns their pids."""
        left = [int(pid) for pid in self._started]
        survivors = [pid for pid in left if self._is_ours(pid)]
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in filter(self._is_ours, survivors):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
            until = time.monotonic() + patience
            while time.monotonic() < until and any(map(self._is_ours, survivors)):
                time.sleep(0.02)
        self._started = {}
        self._save()
        return survivors

    def _is_ours(self, pid: int) -> bool:
        then = self._started.get(str(pid))
        return bool(then) and started_at(pid) == then

    def _load(self) -> dict[str, str]:
        try:
            loaded = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return loaded if isinstance(loaded, dict) else {}

    def _save(self) -> None:
        """With the disk full it is not kept: that is no reason to let die what runs, or to start nothing again."""
        draft = self._path.with_suffix(".new")
        try:
            draft.write_text(json.dumps(self._started))
            draft.replace(self._path)
        except OSError as error:
            log.warning("the processes of this start cannot be written down", error=str(error))
