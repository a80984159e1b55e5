"""A home of its own, an observer that remembers, a worker, and sandboxes that are ended after each test."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import override_settings
from pytest_django import Settings

from accounts.models import User
from openhands_site.workers.models import Worker
from sandboxes import provisioning, services
from sandboxes.backends.memory import MemoryBackend
from sandboxes.models import Sandbox
from tests.sandboxes.doubles import Recorder


@pytest.fixture
def home(settings: Settings) -> Iterator[Path]:
    """An OPENHANDS_HOME that other users may enter, as pytest's own temporary folders are not."""
    folder = Path(tempfile.mkdtemp(prefix="openhands-home-"))
    folder.chmod(0o711)
    settings.OPENHANDS_HOME = folder
    settings.SANDBOX_FOLDER = folder / "sandboxes"
    settings.SANDBOX_START_TIMEOUT = 20
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def docker_session() -> Iterator[str]:
    """An installation of this session's own, of which the engine keeps nothing."""
    from sandboxes.backends.docker.uninstalling import uninstall

    name = f"tests-{os.getpid()}"
    yield name
    with override_settings(INSTALLATION_ID=name):
        uninstall()


@pytest.fixture
def docker_installation(docker_session: str, home: Path, settings: Settings) -> str:
    settings.INSTALLATION_ID = docker_session
    return docker_session


@pytest.fixture
def told(settings: Settings) -> list[tuple[str, ...]]:
    """What the observer was told, in order."""
    settings.SANDBOX_OBSERVER = "tests.sandboxes.doubles.Recorder"
    Recorder.told.clear()
    Recorder.milliseconds.clear()
    return Recorder.told


@pytest.fixture
def worker(db: None) -> Worker:
    return Worker.objects.create(name="sandboxes", host="here", pid=1)


@pytest.fixture
def memory(settings: Settings, home: Path) -> Iterator[Callable[[str], None]]:
    """The memory backend; called with a double's name, that double instead."""

    def use(double: str) -> None:
        settings.SANDBOX_BACKENDS = {
            **settings.SANDBOX_BACKENDS,
            "memory": f"tests.sandboxes.doubles.{double}",
        }

    settings.SANDBOX_BACKEND = "memory"
    yield use
    for life in list(MemoryBackend().lives()):
        MemoryBackend().remove(life.sandbox_id)


@pytest.fixture
def sandbox(owner: User, told: list[tuple[str, ...]], memory: object) -> Sandbox:
    """One that was asked to start, and waits for a worker."""
    made = services.create_sandbox(owner=owner)
    services.request_start(sandbox_id=made.pk)
    return made


@pytest.fixture
def running(sandbox: Sandbox, worker: Worker) -> Sandbox:
    provisioning.bring(sandbox.pk, worker.pk)
    sandbox.refresh_from_db()
    return sandbox
