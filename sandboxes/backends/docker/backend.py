"""The contract on a Docker engine: a container a life, and volumes that outlive it.

A container is found by its name, which the installation's id and the sandbox's make, so that at most one is there;
a life is found by the container's id. One that could not boot stays as it died, with its log, until the next start.
"""

import http.client
import json
import os
import secrets
import time
from collections.abc import Collection, Iterator
from contextlib import closing, suppress
from typing import Any
from uuid import UUID

from django.conf import settings
from docker import APIClient
from docker.errors import APIError, NotFound

from sandboxes.backends.base import Backend, Handle, Life, Progress, SandboxSpec, Started
from sandboxes.backends.docker import containers, engine, images, network
from sandboxes.errors import BackendSilent, SandboxError, StartFailed

POLITE_SECONDS = 3
POLL_SECONDS = 10
DISK_SECONDS = 600
FIRST_WAIT = 0.01
LONGEST_WAIT = 0.1
ANSWER_SECONDS = 2
RETRY_SECONDS = 10
LOG_TAIL = 8_000


class DockerBackend(Backend):
    """`image` is what sandboxes without an image of their own start from, if a test gives another than ours."""

    takes_images = True

    def __init__(self, image: str = "") -> None:
        self._image = image

    @classmethod
    def prepare(cls) -> None:
        with engine.talking() as client:
            if absence := images.describe_absence(client):
                raise SandboxError(absence)
        network.set_up(images.own_image())

    @property
    def isolation(self) -> str:
        return str(network.current(images.own_image()))

    @property
    def is_contained(self) -> bool:
        return True

    def start(self, sandbox_id: UUID, spec: SandboxSpec, progress: Progress) -> Started:
        image = self._image or images.obtain(spec.image, progress)
        phase = "create"
        try:
            progress(phase, "")
            with engine.talking() as client:
                isolation = self.isolation
                container = self._create(client, sandbox_id, image, spec)
            phase = "boot"
            try:
                progress(phase, "")
                return self._boot(sandbox_id, spec, container, isolation)
            except BaseException:
                self._kill(container)
                raise
        except (StartFailed, BackendSilent):
            raise
        except SandboxError as error:
            raise StartFailed(phase, f"The sandbox could not be started. {error}") from error

    def poll(self, sandbox_id: UUID, handle: Handle) -> str | None:
        if not self.is_here(handle):
            return "The sandbox ran on another Docker engine than the one that answers here."
        with engine.talking(POLL_SECONDS) as client:
            return _end_of(client, handle["container"])

    def stop(self, sandbox_id: UUID, handle: Handle, *, now: bool = False) -> None:
        with engine.talking() as client:
            if not now:
                _ask_to_end(client, handle["container"])
            _remove_container(client, handle["container"])

    def remove(self, sandbox_id: UUID) -> None:
        with engine.talking() as client:
            _remove_container(client, self._name(sandbox_id))
            for volume in containers.volume_names(settings.INSTALLATION_ID, sandbox_id):
                _remove_volume(client, volume)

    def logs(self, sandbox_id: UUID) -> str:
        with engine.talking() as client:
            return _log_tail(client, self._name(sandbox_id))

    def disk_bytes(self, sandbox_ids: Collection[UUID]) -> dict[UUID, int]:
        """One question for all: the engine counts every volume that it has."""
        with engine.talking(DISK_SECONDS) as client:
            found = _disk_usage(client)["Volumes"] or []
        sizes = {volume["Name"]: volume["UsageData"]["Size"] for volume in found}
        return {
            sandbox_id: sum(
                max(0, sizes.get(volume, 0))
                for volume in containers.volume_names(settings.INSTALLATION_ID, sandbox_id)
            )
            for sandbox_id in sandbox_ids
        }

    def is_here(self, handle: Handle) -> bool:
        return bool(handle.get("engine") == engine.information()["ID"])

    def lives(self) -> Iterator[Life]:
        ours = [f"{containers.INSTALLATION}={settings.INSTALLATION_ID}", containers.SANDBOX]
        with engine.talking() as client:
            found = client.containers(filters={"label": ours, "status": "running"})
        for container in found:
            yield Life(UUID(container["Labels"][containers.SANDBOX]), _handle(container["Id"]))

    @staticmethod
    def _name(sandbox_id: UUID) -> str:
        return containers.container_name(settings.INSTALLATION_ID, sandbox_id)

    def _create(self, client: APIClient, sandbox_id: UUID, image: str, spec: SandboxSpec) -> str:
        """The container's id; it does not run yet. What else is there of the sandbox is ended."""
        _remove_container(client, self._name(sandbox_id))
        description = containers.container(
            installation=settings.INSTALLATION_ID, sandbox_id=sandbox_id, image=image, spec=spec
        )
        return str(client.create_container_from_config(description, self._name(sandbox_id))["Id"])

    def _boot(self, sandbox_id: UUID, spec: SandboxSpec, container: str, isolation: str) -> Started:
        deadline = time.monotonic() + settings.SANDBOX_START_TIMEOUT
        key = secrets.token_urlsafe(32)
        with engine.talking() as client:
            _start_with_key(client, container, key)
            port = containers.published_port(client.inspect_container(container))
            boot_id = _wait_until_it_answers(client, container, port, key, deadline)
        limited = containers.limited(spec, engine.information())
        return Started(
            url=f"http://127.0.0.1:{port}",
            key=key,
            boot_id=boot_id,
            handle=_handle(container),
            isolation=f"{isolation}; limited: {', '.join(limited)}" if limited else isolation,
        )

    @staticmethod
    def _kill(container: str) -> None:
        """Ends it and keeps what it left; where it cannot be reached any more, the next start does."""
        with suppress(SandboxError), engine.talking() as client:
            client.kill(container)


def _handle(container: str) -> Handle:
    return {"container": container, "engine": engine.information()["ID"]}


def _start_with_key(client: APIClient, container: str, key: str) -> None:
    """The key goes through standard input, which is closed then."""
    stream = client.attach_socket(container, params={"stdin": 1, "stream": 1})
    # What the SDK gives is a file on a socket, which must be closed too for the engine to see the end.
    with closing(getattr(stream, "_sock", stream)), closing(stream):
        client.start(container)
        os.write(stream.fileno(), key.encode() + b"\n")


def _wait_until_it_answers(
    client: APIClient, container: str, port: int | None, key: str, deadline: float
) -> str:
    """The boot id that the action server answers with."""
    wait = FIRST_WAIT
    while (boot_id := _boot_id(port, key) if port else None) is None:
        if ended := _end_of(client, container):
            raise StartFailed("boot", _told(client, container, ended))
        if time.monotonic() > deadline:
            seconds = settings.SANDBOX_START_TIMEOUT
            raise StartFailed(
                "boot", _told(client, container, f"The action server was not ready within {seconds} s.")
            )
        time.sleep(wait)
        wait = min(wait * 1.3, LONGEST_WAIT)
    return boot_id


def _boot_id(port: int, key: str) -> str | None:
    """None where nothing answers yet: the engine's proxy takes a connection before anybody listens behind it."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/health", headers={"Authorization": f"Bearer {key}"})
        return str(json.loads(connection.getresponse().read())["boot_id"])
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
        return None
    finally:
        connection.close()


def _end_of(client: APIClient, container: str) -> str | None:
    """None while the container runs, else a sentence on how it ended."""
    try:
        state: dict[str, Any] = client.inspect_container(container)["State"]
    except NotFound:
        return "The sandbox's container is gone."
    if state["Running"]:
        return None
    if state["OOMKilled"]:
        return "The sandbox's container ended: its memory was used up."
    problem = f" ({state['Error']})" if state["Error"] else ""
    return f"The sandbox's container ended with {state['ExitCode']}{problem}."


def _told(client: APIClient, container: str, sentence: str) -> str:
    log = _log_tail(client, container)[-2000:]
    return f"{sentence} Its log ends with:\n{log}" if log else f"{sentence} Its log is empty."


def _log_tail(client: APIClient, container: str) -> str:
    try:
        return client.logs(container, tail=200)[-LOG_TAIL:].decode(errors="replace").strip()
    except NotFound:
        return ""


def _ask_to_end(client: APIClient, container: str) -> None:
    with suppress(NotFound):
        client.stop(container, timeout=POLITE_SECONDS)


def _remove_container(client: APIClient, container: str) -> None:
    """Kills and removes it, with the volumes that its image made for itself. Returns when it is gone."""
    deadline = time.monotonic() + RETRY_SECONDS
    while True:
        try:
            return client.remove_container(container, force=True, v=True)
        except NotFound:
            return None
        except APIError as error:  # another worker, or the engine after a death, is about to remove it
            if time.monotonic() > deadline or error.status_code != http.client.CONFLICT:
                raise
        time.sleep(LONGEST_WAIT)


def _remove_volume(client: APIClient, volume: str) -> None:
    with suppress(NotFound):
        client.remove_volume(volume)


def _disk_usage(client: APIClient) -> dict[str, Any]:
    """The engine counts for one at a time."""
    deadline = time.monotonic() + DISK_SECONDS
    while True:
        try:
            usage: dict[str, Any] = client.df()
            return usage
        except APIError as error:
            if "already running" not in engine.explanation(error) or time.monotonic() > deadline:
                raise
        time.sleep(LONGEST_WAIT)
