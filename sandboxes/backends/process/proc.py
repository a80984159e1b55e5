"""The processes of a sandbox, as /proc shows them."""

import signal
import time
from pathlib import Path
from uuid import UUID

from sandboxes.action_server.children import kill_tree, processes, send, tree
from sandboxes.backends.process import interpreter

KILL_SECONDS = 5
KILL_ATTEMPTS = 3
POLL_SECONDS = 0.02


def start_time(pid: int) -> int | None:
    """When the process started, in the kernel's ticks, which tells it from a later one of the same pid.

    None where there is none, or only its remains."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def end_life(pid: int, started: int, *, polite_seconds: float) -> None:
    """Ends the process, if it is still the one that started then, and all below it. It is asked first, for as long
    as given."""
    deadline = time.monotonic() + polite_seconds
    if polite_seconds and start_time(pid) == started:
        send([pid], signal.SIGTERM)
        while start_time(pid) == started and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
    if start_time(pid) == started:
        kill_tree([pid])
        _wait_for_end([pid])


def end_strays(sandbox_id: UUID, uid: int | None) -> None:
    """Kills whatever still runs for the sandbox: under its user, or with its mark in the environment.

    It tries several times, however long that takes: who was frozen meanwhile, or on a machine with too much to do, has
    waited long and killed once, and what a killed worker was just starting shows its mark only then.
    """
    deadline = time.monotonic() + KILL_SECONDS
    attempts = 0
    while strays := _strays(sandbox_id, uid):
        if attempts >= KILL_ATTEMPTS and time.monotonic() > deadline:
            raise TimeoutError(f"Processes of the sandbox {sandbox_id} cannot be ended: {strays}.")
        kill_tree(strays)
        _wait_for_end(strays)
        attempts += 1


def _strays(sandbox_id: UUID, uid: int | None) -> list[int]:
    mark = f"{interpreter.MARK}={sandbox_id}".encode()
    found = [pid for pid in processes() if _is_of(pid, mark, uid)]
    return list(tree(found, processes()))


def _is_of(pid: int, mark: bytes, uid: int | None) -> bool:
    folder = f"/proc/{pid}"
    try:
        # The folder belongs to root where a process hides its memory; its status file tells the user all the same.
        if uid is not None and _real_uid(folder) == uid:
            return True
        return mark in Path(folder, "environ").read_bytes().split(b"\0")
    except OSError:
        return False


def _real_uid(folder: str) -> int:
    for line in Path(folder, "status").read_text().splitlines():
        if line.startswith("Uid:"):
            return int(line.split()[1])
    return -1


def _wait_for_end(pids: list[int]) -> None:
    deadline = time.monotonic() + KILL_SECONDS
    while any(start_time(pid) is not None for pid in pids) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS / 4)
