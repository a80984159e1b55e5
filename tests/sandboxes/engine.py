"""What tests of Docker sandboxes do with the engine itself."""

import base64
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


def file(path: str, text: str) -> str:
    """The line of an image that has this file."""
    return f"RUN echo {base64.b64encode(text.encode()).decode()} | base64 -d > {path} && chmod 755 {path}"


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


def address(container: str, kind: str = "IPAddress") -> str:
    """The container's own address on its bridge, or its gateway's."""
    networks = inspect(container)["NetworkSettings"]["Networks"]
    return str(next(iter(networks.values()))[kind])


@contextmanager
def running(command: list[str], user: str = "", **host: Any) -> Iterator[str]:
    """A container of the default image, in the engine's default network."""
    description = {
        "Image": images.own_image(),
        "Entrypoint": [],
        "Cmd": command,
        "User": user,
        "ExposedPorts": {port: {} for port in host.get("PortBindings", ())},
        "HostConfig": host,
    }
    with engine.talking() as client:
        made = client.create_container_from_config(description, None)["Id"]
        try:
            client.start(made)
            yield made
        finally:
            client.remove_container(made, force=True, v=True)


def run(command: list[str], user: str = "", **host: Any) -> tuple[int, str]:
    """What such a container ends with and prints."""
    with running(command, user, **host) as container, engine.talking() as client:
        code = client.wait(container, timeout=60)["StatusCode"]
        return code, client.logs(container).decode()


def published(container: str, port: str) -> int:
    return int(inspect(container)["NetworkSettings"]["Ports"][port][0]["HostPort"])


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
