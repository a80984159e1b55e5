from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from sandboxes import doctor
from sandboxes.doctor import check_backend
from sandboxes.errors import SandboxError
from sandboxes.models import Runtime, Sandbox
from tests.sandboxes.doubles import living


def test_the_check_uses_a_sandbox_and_leaves_none(memory: object, home: Path) -> None:
    assert check_backend() == "Sandboxes work: backend memory, isolation: in memory, for tests."
    assert not list(living())


def test_the_check_of_real_processes_names_their_isolation(home: Path, settings: Settings) -> None:
    settings.SANDBOX_BACKEND = "process"
    assert check_backend().startswith("Sandboxes work: backend process, isolation: ")
    assert not list(home.glob("sandboxes/*-*"))


def test_without_isolation_the_check_says_who_may_start_one(memory: Callable[[str], None]) -> None:
    memory("Uncontained")
    assert "Only operators may start one" in check_backend()


def test_a_backend_that_does_not_work_fails_the_check(memory: Callable[[str], None]) -> None:
    memory("NeverReady")
    with pytest.raises(SandboxError, match="not ready"):
        check_backend()


def test_a_sandbox_that_starts_and_freezes_fails_the_check(
    memory: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory("Freezes")
    monkeypatch.setattr(doctor, "COMMAND_SECONDS", 0.3)
    with pytest.raises(SandboxError, match="did not end within"):
        check_backend()
    assert not list(living())


def test_processes_that_cannot_be_ended_fail_the_check_with_a_sentence(
    memory: Callable[[str], None],
) -> None:
    memory("Unending")
    with pytest.raises(SandboxError, match="The backend memory failed: Processes cannot be ended"):
        check_backend()


def test_sandboxes_whose_files_are_elsewhere_are_counted_with_what_keeps_them_in(
    running: Sandbox, settings: Settings
) -> None:
    assert doctor.describe_others() == ""
    settings.SANDBOX_BACKENDS = {**settings.SANDBOX_BACKENDS, "other": settings.SANDBOX_BACKENDS["memory"]}
    settings.SANDBOX_BACKEND = "other"
    said = "1 older ones start on the backend memory, where their files are; isolation: in memory, for tests."
    assert doctor.describe_others() == said


def test_of_sandboxes_whose_files_are_in_an_engine_that_is_away_it_says_that_they_cannot_start(
    running: Sandbox, settings: Settings
) -> None:
    Runtime.objects.update(backend="docker")
    settings.DOCKER_HOST = "unix:///nonexistent/docker.sock"
    assert "and cannot now. The Docker engine does not answer" in doctor.describe_others()
