"""Sandboxes on the engine, as many as a test asks for."""

import uuid
from collections.abc import Callable, Iterator

import pytest

from sandboxes.backends.base import SandboxSpec
from sandboxes.backends.docker.backend import DockerBackend
from sandboxes.client import Reachable
from tests.sandboxes import machine

Begin = Callable[..., Reachable]


@pytest.fixture
def begin(docker_installation: str) -> Iterator[Begin]:
    """Starts a sandbox, with the limits of a spec and from another image if given."""
    made = []

    def start(image: str = "", **limits: float) -> Reachable:
        sandbox_id = uuid.uuid4()
        made.append(sandbox_id)
        spec = SandboxSpec(**limits)  # type: ignore[arg-type]
        return machine.reachable(sandbox_id, DockerBackend(image).start(sandbox_id, spec, lambda *_: None))

    yield start
    for sandbox_id in made:
        DockerBackend().remove(sandbox_id)
