"""The machine that was measured, a port of it, and the memory and CPU of processes on it, from Linux' /proc."""

import os
import platform
import re
import socket
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TICKS = os.sysconf("SC_CLK_TCK")
PACKAGES = ("django", "daphne", "celery", "redis", "litellm", "aiohttp", "psycopg", "pydantic")


def describe() -> dict[str, object]:
    return {
        "cpu": _find(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo")) or platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(int(_find(r"MemTotal:\s+(\d+)", Path("/proc/meminfo")) or 0) / 1024**2, 1),
        "system": _find(r'PRETTY_NAME="(.+)"', Path("/etc/os-release")) or platform.system(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "load_before": round(os.getloadavg()[0], 2),
    }


def commit(folder: Path) -> str:
    """The commit that is checked out in `folder`, with a `+` where files differ from it."""
    git = ["git", "-C", str(folder)]
    found = subprocess.run(
        [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    changed = subprocess.run(
        [*git, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() + ("+" if changed.stdout.strip() else "")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    command: str

    @property
    def proportional_megabytes(self) -> float:
        """Its share of memory: pages that it has in common with others count in part."""
        rollup = Path(f"/proc/{self.pid}/smaps_rollup")
        with suppress(OSError):
            return int(_find(r"^Pss:\s+(\d+) kB", rollup) or 0) / 1024
        return 0.0

    @property
    def resident_megabytes(self) -> float:
        return int(_find(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.pid}/status")) or 0) / 1024

    @property
    def cpu_seconds(self) -> float:
        with suppress(OSError):
            fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / TICKS
        return 0.0


def processes() -> dict[int, Process]:
    """All there are, by pid."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        with suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            found[int(folder.name)] = Process(int(folder.name), parent, command)
    return found


def _find(pattern: str, path: Path) -> str:
    with suppress(OSError):
        found = re.search(pattern, path.read_text(), re.MULTILINE)
        return found[1].strip() if found else ""
    return ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
