"""What tests of real sandboxes need of the machine, and how they speak to a sandbox."""

import os
import shlex
import signal
import uuid
from functools import cache
from pathlib import Path
from uuid import UUID

import pytest

from openhands_site import async_thread
from sandboxes import client
from sandboxes.backends import memory
from sandboxes.backends.base import Started
from sandboxes.backends.docker import engine
from sandboxes.backends.process.isolation import Isolation, resolve
from sandboxes.protocol import ActionRequest, Health, Result

BUBBLEWRAP = "bubblewrap"
OWN_USER = "own user"
NOTHING = "no isolation"


@cache
def _resolved() -> Isolation:
    return resolve()


def isolation(wanted: str) -> Isolation:
    """That isolation, or the test is skipped where the machine has it not; an error where CI is set."""
    resolved = _resolved()
    if wanted == BUBBLEWRAP:
        _need(resolved.bubblewrap, resolved.reason)
        return resolved
    if wanted == OWN_USER:
        _need(resolved.own_user, "changing the user needs root")
        return Isolation(bubblewrap=False, own_user=True)
    return Isolation(bubblewrap=False, own_user=False)


def _need(there: bool, reason: str) -> None:
    if not there and os.environ.get("CI"):
        pytest.fail(reason)
    if not there:
        pytest.skip(reason)


def reachable(sandbox_id: UUID, started: Started) -> client.Reachable:
    return client.Reachable(sandbox_id, started.url, started.key, started.boot_id)


def health(where: client.Reachable) -> Health:
    return async_thread.run(client.health(where)).result(20)


def run(where: client.Reachable, command: str, fence: int = 1) -> Result:
    request = ActionRequest("conversation", where.boot_id, fence, "terminal", {"command": command})
    return async_thread.run(client.put_action(where, uuid.uuid4(), request)).result(60)


def printed(where: client.Reachable, command: str) -> str:
    return "".join(part.text for part in run(where, command).content)


def quoted(text: str) -> str:
    """The text for a shell, written so that the command does not hold it."""
    half = len(text) // 2
    return f"{shlex.quote(text[:half])}''{shlex.quote(text[half:])}"


def files_with(where: client.Reachable, text: str, *folders: str) -> list[str]:
    """Those below the folders in which a command finds the text. What grep prints is what tells: it ends with 2, and not
    with 0, as soon as one of the files is closed to it."""
    return printed(where, f"grep -rlIsF -- {quoted(text)} {' '.join(folders)}").splitlines()


def freeze(started: Started, sandbox_id: UUID) -> None:
    """The life stays, and nothing in it moves any more."""
    if "container" in started.handle:
        with engine.talking() as docker:
            docker.pause(started.handle["container"])
    elif "pid" in started.handle:
        os.kill(started.handle["pid"], signal.SIGSTOP)
    else:
        memory.freeze(sandbox_id)


def processes_with(argument: str) -> list[int]:
    """The pids of the processes that have exactly this argument."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if argument.encode() in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
