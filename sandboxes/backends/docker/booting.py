"""From a container that was made to an action server that answers, or to a sentence on how it ended."""

import os
import secrets
import signal
import time
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

from django.conf import settings
from docker import APIClient
from docker.errors import NotFound

from openhands_site import async_thread
from sandboxes import client as action_server
from sandboxes.backends.docker import containers
from sandboxes.client import Reachable
from sandboxes.errors import StartFailed, Unreachable

FIRST_WAIT = 0.01
LONGEST_WAIT = 0.1
ANSWER_SECONDS = 2
LOG_TAIL = 8_000
KILLED = 128 + signal.SIGKILL
LONGEST_ID = 64


def boot(client: APIClient, sandbox_id: UUID, container: str) -> Reachable:
    """Starts the container and returns once its action server answers. Raises StartFailed with the end of its log."""
    deadline = time.monotonic() + settings.SANDBOX_START_TIMEOUT
    key = secrets.token_urlsafe(32)
    _start_with_key(client, container, key)
    port = containers.published_port(client.inspect_container(container))
    where = Reachable(sandbox_id, f"http://127.0.0.1:{port}", key, "")
    return replace(where, boot_id=_wait_until_it_answers(client, container, where, deadline))


def _start_with_key(client: APIClient, container: str, key: str) -> None:
    """The key goes through standard input, which is closed then."""
    stream = client.attach_socket(container, params={"stdin": 1, "stream": 1})
    # What the SDK gives is a file on a socket, which must be closed too for the engine to see the end.
    with closing(getattr(stream, "_sock", stream)), closing(stream):
        client.start(container)
        with suppress(ConnectionError):  # it has ended already; its log says why
            os.write(stream.fileno(), key.encode() + b"\n")


def _wait_until_it_answers(client: APIClient, container: str, where: Reachable, deadline: float) -> str:
    """The boot id that the action server answers with."""
    wait = FIRST_WAIT
    while not (boot_id := _boot_id(where)):
        if ended := end_of(client, container):
            raise StartFailed("boot", _told(client, container, ended))
        if time.monotonic() > deadline:
            seconds = settings.SANDBOX_START_TIMEOUT
            raise StartFailed(
                "boot", _told(client, container, f"The action server was not ready within {seconds} s.")
            )
        time.sleep(wait)
        wait = min(wait * 1.3, LONGEST_WAIT)
    return boot_id


def _boot_id(where: Reachable) -> str:
    """Empty where nothing answers yet: the engine's proxy takes a connection before anybody listens behind it. What
    answers may be the image's own, and in no hurry, and say anything."""
    answer = async_thread.run(action_server.health(where))
    try:
        boot_id = str(answer.result(ANSWER_SECONDS).boot_id)
    except (Unreachable, TimeoutError):
        answer.cancel()
        return ""
    return boot_id if boot_id.isalnum() and len(boot_id) <= LONGEST_ID else ""


def end_of(client: APIClient, container: str) -> str | None:
    """None while the container runs, else a sentence on how it ended."""
    try:
        state: dict[str, Any] = client.inspect_container(container)["State"]
    except NotFound:
        return "The sandbox's container is gone."
    if state["Running"]:
        return None
    if state["OOMKilled"] and state["ExitCode"] == KILLED:
        return "The sandbox's container ended: its memory was used up."
    problem = f" ({state['Error']})" if state["Error"] else ""
    return f"The sandbox's container ended with {state['ExitCode']}{problem}."


def _told(client: APIClient, container: str, sentence: str) -> str:
    log = log_tail(client, container)[-2000:]
    return f"{sentence} Its log ends with:\n{log}" if log else f"{sentence} Its log is empty."


def log_tail(client: APIClient, container: str) -> str:
    try:
        return client.logs(container, tail=200)[-LOG_TAIL:].decode(errors="replace").strip()
    except NotFound:
        return ""
