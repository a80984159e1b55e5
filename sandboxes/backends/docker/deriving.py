"""A user's image as a sandbox: our action server put on top, once, by the image's own shell and Python.

What the image brings runs as root then. So it runs in a container without a network, within a sandbox's limits of
memory, processors and processes, with no rights but over the image's files, and not for long.
"""

import io
import tarfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.conf import settings
from docker import APIClient
from docker.errors import APIError, NotFound

from sandboxes.backends.base import SandboxSpec
from sandboxes.backends.docker import building, containers, engine

INSTALL_SECONDS = 300
POLL_SECONDS = 0.1


def derive(
    client: APIClient, *, ours: str, image: str, name: str, spec: SandboxSpec, say: Callable[[str], None]
) -> None:
    """Makes the image `name` of `image` with what is in `ours`, and says how long it has been at it. Raises BuildError."""
    labels = {containers.INSTALLATION: settings.INSTALLATION_ID}
    description = containers.installer(image=image, labels=labels, spec=spec)
    with _container(client, description, f"{name}-making") as made:
        client.put_archive(made, "/", _install())
        with _container(
            client, {"Image": ours, "Cmd": ["true"], "Labels": labels}, f"{name}-source"
        ) as source:
            libraries, _ = client.get_archive(source, f"{containers.ROOT}/libraries")
            client.put_archive(made, containers.ROOT, libraries)
        _start(client, made)
        if code := _exit_code(client, made, say):
            said = client.logs(made, tail=building.TAIL).decode(errors="replace").splitlines()
            raise building.BuildError(building.reason(said, f"It ended with {code}."))
        # An image is nobody's.
        marks = {containers.INSTALLATION: "", "openhands.image": name}
        repository, _, tag = name.partition(":")
        client.commit(made, repository, tag, conf={"Labels": marks})


@contextmanager
def _container(client: APIClient, description: dict[str, Any], name: str) -> Iterator[str]:
    """One of this name, which a worker may have left that was killed at it."""
    name = f"{settings.INSTALLATION_ID}-{name.replace(':', '-')}"
    with suppress(NotFound):
        client.remove_container(name, force=True, v=True)
    made = str(client.create_container_from_config(description, name)["Id"])
    try:
        yield made
    finally:
        client.remove_container(made, force=True, v=True)


def _start(client: APIClient, container: str) -> None:
    try:
        client.start(container)
    except APIError as error:
        raise building.BuildError(f"Its shell does not start: {engine.explanation(error)}") from error


def _exit_code(client: APIClient, container: str, say: Callable[[str], None]) -> int:
    begun = time.monotonic()
    while (state := client.inspect_container(container)["State"])["Running"]:
        seconds = time.monotonic() - begun
        if seconds > INSTALL_SECONDS:
            raise building.BuildError(f"The action server is not on it after {INSTALL_SECONDS} s.")
        say(f"{seconds:.0f} s")
        time.sleep(POLL_SECONDS)
    return int(state["ExitCode"])


def _install() -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(
            settings.BASE_DIR / "deploy" / "sandbox" / "install",
            arcname=containers.INSTALL.lstrip("/"),
            filter=building.as_root,
        )
    return packed.getvalue()
