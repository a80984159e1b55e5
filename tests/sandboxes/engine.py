"""What tests of Docker sandboxes do with the engine itself."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sandboxes.backends.docker import building, engine, images

BASE = "debian:bookworm-slim"


@contextmanager
def image(*lines: str, base: str = "") -> Iterator[str]:
    """An image for a test: the lines of a Dockerfile on top of ours, or of `base`."""
    dockerfile = "\n".join([f"FROM {base or images.own_image()}", "USER root", *lines])
    with tempfile.TemporaryDirectory() as folder, engine.talking() as client:
        Path(folder, "Dockerfile").write_text(dockerfile)
        name = f"openhands-tests-{Path(folder).name.lower().replace('_', '')}:1"
        building.build(client, Path(folder), name, {}, lambda line: None)
    try:
        yield name
    finally:
        with engine.talking() as client:
            client.remove_image(name, force=True)


def server(script: str) -> list[str]:
    """The lines of an image in which this runs in the action server's place; `exec /usr/bin/python3` is the true one."""
    program = "/opt/openhands/venv/bin/python"
    return [
        f"RUN rm {program} && printf '%s\\n' '#!/bin/sh' '{script}' > {program} && chmod 755 {program}",
    ]


def inspect(container: str) -> dict[str, Any]:
    with engine.talking() as client:
        found: dict[str, Any] = client.inspect_container(container)
    return found


def address(container: str) -> str:
    """The container's own address on its bridge."""
    networks = inspect(container)["NetworkSettings"]["Networks"]
    return str(next(iter(networks.values()))["IPAddress"])


def run(command: list[str], **host: Any) -> tuple[int, str]:
    """What a container of the default image ends with and prints, in the engine's default network."""
    with engine.talking() as client:
        made = client.create_container_from_config(
            {"Image": images.own_image(), "Entrypoint": [], "Cmd": command, "HostConfig": host}, None
        )["Id"]
        try:
            client.start(made)
            code = client.wait(made, timeout=60)["StatusCode"]
            return code, client.logs(made).decode()
        finally:
            client.remove_container(made, force=True, v=True)


def remove_derived(name: str) -> None:
    """The image that a sandbox of this user's image was started from."""
    with engine.talking() as client:
        base = client.inspect_image(name)["Id"]
        client.remove_image(images.derived_image(base), force=True)


def belongings(installation: str) -> list[str]:
    """The names of an installation's containers and volumes."""
    label = {"label": f"openhands.installation={installation}"}
    with engine.talking() as client:
        volumes = client.volumes(filters=label)["Volumes"] or []
        names = [
            name for container in client.containers(all=True, filters=label) for name in container["Names"]
        ]
    return [*names, *(volume["Name"] for volume in volumes)]
