"""The contract on a Docker engine: a container a life, and volumes that outlive it.

A container is found by its name, which the installation's id and the sandbox's make, so that at most one is there;
a life is found by the container's id. One that could not boot stays as it died, with its log, until the next start.
"""

import http.client
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.conf import settings
from docker import APIClient
from docker.errors import APIError, NotFound

from sandboxes.backends.base import Backend, Handle, Known, Life, Progress, SandboxSpec, Started
from sandboxes.backends.docker import booting, containers, engine, images, leftovers, network
from sandboxes.errors import BackendSilent, SandboxError, StartFailed

POLITE_SECONDS = 3
POLL_SECONDS = 10
DISK_SECONDS = 600
RETRY_SECONDS = 10
RETRY_WAIT = 0.1


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
        phase = "image"
        try:
            spec = containers.possible(spec, engine.information())
            image = self._image or images.obtain(spec, progress)
            phase = "create"
            progress(phase, "")
            isolation = "; limited: ".join(
                filter(None, [self.isolation, ", ".join(containers.limited(spec))])
            )
            with engine.talking() as client:
                container = self._create(client, sandbox_id, image, spec)
            phase = "boot"
            try:
                progress(phase, "")
                with engine.talking() as client:
                    where = booting.boot(client, sandbox_id, container)
                return Started(where.url, where.key, where.boot_id, _handle(container), isolation)
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
            return booting.end_of(client, handle["container"])

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
            return booting.log_tail(client, self._name(sandbox_id))

    def disk_bytes(self, sandbox_ids: Collection[UUID]) -> dict[UUID, int]:
        """One question for all: the engine counts every volume that it has. An image may have volumes of its own."""
        with engine.talking(DISK_SECONDS) as client:
            found = client.containers(all=True, filters=_ours())
            sizes = _volume_sizes(client)
        volumes = {
            sandbox_id: set(containers.volume_names(settings.INSTALLATION_ID, sandbox_id))
            for sandbox_id in sandbox_ids
        }
        for container in found:
            mounted = {mount["Name"] for mount in container["Mounts"] if mount["Type"] == "volume"}
            volumes.get(_sandbox_of(container), set()).update(mounted)
        return {
            sandbox_id: sum(sizes.get(name, 0) for name in names) for sandbox_id, names in volumes.items()
        }

    def is_here(self, handle: Handle) -> bool:
        return bool(handle.get("engine") == engine.information()["ID"])

    def lives(self) -> Iterator[Life]:
        with engine.talking() as client:
            found = client.containers(filters={**_ours(), "status": ["running", "paused"]})
        for container in found:
            yield Life(_sandbox_of(container), _handle(container["Id"]))

    def remove_leftovers(self, known: Known, since: datetime) -> list[str]:
        with engine.talking() as client:
            found = leftovers.find(client, settings.INSTALLATION_ID, since)
            for container in found.helpers:
                _remove_container(client, container)
        forgotten = found.sandboxes - known(found.sandboxes)
        for sandbox_id in forgotten:
            self.remove(sandbox_id)
        return [f"container {name}" for name in found.helpers] + [f"sandbox {name}" for name in forgotten]

    @staticmethod
    def _name(sandbox_id: UUID) -> str:
        return containers.container_name(settings.INSTALLATION_ID, sandbox_id)

    def _create(self, client: APIClient, sandbox_id: UUID, image: str, spec: SandboxSpec) -> str:
        """The container's id; it does not run yet. What else is there of the sandbox is ended."""
        name = self._name(sandbox_id)
        _remove_container(client, name)
        description = partial(
            containers.container, installation=settings.INSTALLATION_ID, sandbox_id=sandbox_id, image=image
        )
        try:
            made = client.create_container_from_config(description(spec=spec), name)
        except APIError as error:
            # Few file systems keep a volume to its size; on the others we look at it now and then.
            if not spec.disk_mb or "quota" not in engine.explanation(error):
                raise
            made = client.create_container_from_config(description(spec=replace(spec, disk_mb=0)), name)
        return str(made["Id"])

    @staticmethod
    def _kill(container: str) -> None:
        """Ends it and keeps what it left; where it cannot be reached any more, the next start does."""
        with suppress(SandboxError), engine.talking() as client:
            client.kill(container)


def _handle(container: str) -> Handle:
    return {"container": container, "engine": engine.information()["ID"]}


def _ours() -> dict[str, Any]:
    """The filter for this installation's sandboxes."""
    return {"label": [f"{containers.INSTALLATION}={settings.INSTALLATION_ID}", containers.SANDBOX]}


def _sandbox_of(container: dict[str, Any]) -> UUID:
    return UUID(container["Labels"][containers.SANDBOX])


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
        time.sleep(RETRY_WAIT)


def _remove_volume(client: APIClient, volume: str) -> None:
    with suppress(NotFound):
        client.remove_volume(volume)


def _volume_sizes(client: APIClient) -> dict[str, int]:
    """The bytes of each; older engines count for one at a time, and everything else that they have besides."""
    client.params = {"type": "volume"}
    deadline = time.monotonic() + DISK_SECONDS
    while True:
        try:
            volumes = client.df()["Volumes"] or []
            return {volume["Name"]: max(0, volume["UsageData"]["Size"]) for volume in volumes}
        except APIError as error:
            if "already running" not in engine.explanation(error) or time.monotonic() > deadline:
                raise
        time.sleep(RETRY_WAIT)
