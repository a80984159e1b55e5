"""Where an agent works in a journey: what its server is told, and where the project to mend is from there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self
from uuid import uuid4

from django.test import override_settings

from tests.journeys.repository import CALC, IDENTITY, TEST, served_repository
from tests.sandboxes import engine


@dataclass(frozen=True)
class Place:
    """`project` can be cloned from; `image` is to be named for the conversation, if any."""

    project: str
    image: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def of_its_own(self) -> Iterator[Self]:
        """The place for one installation, of which nothing stays."""
        yield self

    def left(self, home: Path) -> list[str]:
        """What is there of sandboxes, once all were removed."""
        return [path.name for path in (home / "sandboxes").iterdir() if path.is_dir()]


@dataclass(frozen=True)
class DockerPlace(Place):
    @contextmanager
    def of_its_own(self) -> Iterator[Self]:
        with docker_environment() as environment:
            yield replace(self, environment={**self.environment, **environment})

    def left(self, home: Path) -> list[str]:
        return engine.belongings(self.environment["OPENHANDS_INSTALLATION_ID"])


@contextmanager
def processes(folder: Path) -> Iterator[Place]:
    """The project is served on this machine's loopback."""
    folder.mkdir()
    with served_repository(folder) as url:
        yield Place(url, environment={"SANDBOX_BACKEND": "process"})


@contextmanager
def docker() -> Iterator[Place]:
    """No sandbox reaches this machine's loopback, so the project is in an image of the user's own."""
    files = {"calc.py": CALC, "test_calc.py": TEST}
    write = [f"RUN printf '%s' {_quoted(text)} > /srv/calc/{name}" for name, text in files.items()]
    commit = f"cd /srv/calc && git init -q -b main && git add . && git {IDENTITY} commit -q -m Begin"
    lines = ["RUN mkdir /srv/calc", *write, f"RUN {commit} && chown -R 1000:1000 /srv/calc"]
    with engine.image(*lines) as image:
        try:
            yield DockerPlace("/srv/calc", image, {"SANDBOX_IMAGES": "openhands-tests-*"})
        finally:
            engine.remove_derived(image)


@contextmanager
def docker_environment() -> Iterator[dict[str, str]]:
    """For an installation of its own, of which the engine keeps nothing."""
    from sandboxes.backends.docker.uninstalling import uninstall

    name = f"journey-{os.getpid()}-{uuid4().hex[:6]}"
    try:
        yield {"SANDBOX_BACKEND": "docker", "OPENHANDS_INSTALLATION_ID": name}
    finally:
        with override_settings(INSTALLATION_ID=name):
            uninstall()


def _quoted(text: str) -> str:
    """For a shell, in one line of a Dockerfile."""
    return "\"$(printf '" + text.replace("\n", "\\n") + "')\""
