"""Sandboxes on the engine, as many as a test asks for."""

import uuid
from collections.abc import Callable, Iterator

import pytest
from docker.types import IPAMConfig, IPAMPool
from pytest_django import Settings

from sandboxes.backends.base import SandboxSpec
from sandboxes.backends.docker import containers, engine, network, uninstalling
from sandboxes.backends.docker.backend import DockerBackend
from sandboxes.client import Reachable
from tests.sandboxes import machine

Begin = Callable[..., Reachable]


@pytest.fixture
def network_with_ipv6(docker_installation: str, settings: Settings) -> Iterator[None]:
    """As engines make it whose operator told them to."""
    settings.INSTALLATION_ID = f"{docker_installation}-6"
    with engine.talking() as client:
        client.create_network(
            containers.network_name(settings.INSTALLATION_ID),
            options=network.bridge_options(),
            labels={containers.INSTALLATION: settings.INSTALLATION_ID},
            enable_ipv6=True,
            ipam=IPAMConfig(pool_configs=[IPAMPool(subnet="fd78::/64")]),
        )
    yield
    uninstalling.uninstall()


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
