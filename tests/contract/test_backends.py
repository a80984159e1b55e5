"""What every backend promises, on each that the machine can run."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from pytest_django import Settings

from sandboxes.backends.base import Backend, SandboxSpec, Started
from sandboxes.backends.docker.backend import DockerBackend
from sandboxes.backends.memory import MemoryBackend
from sandboxes.backends.process.backend import ProcessBackend
from sandboxes.client import Reachable
from sandboxes.errors import Unreachable
from tests.sandboxes import machine

DOCKER = pytest.param("docker", marks=pytest.mark.service("docker"))


@pytest.fixture(params=["memory", machine.BUBBLEWRAP, machine.OWN_USER, machine.NOTHING, DOCKER])
def backend(request: pytest.FixtureRequest, home: Path) -> Backend:
    if request.param == "memory":
        return MemoryBackend()
    if request.param == "docker":
        request.getfixturevalue("docker_installation")
        return DockerBackend()
    return ProcessBackend(machine.isolation(request.param))


@pytest.fixture
def sandbox_id(backend: Backend) -> Iterator[UUID]:
    made = uuid.uuid4()
    yield made
    backend.remove(made)


class _BrokenOffError(Exception):
    pass


def begin(backend: Backend, sandbox_id: UUID) -> tuple[Started, Reachable]:
    started = backend.start(sandbox_id, SandboxSpec(), lambda *_: None)
    return started, machine.reachable(sandbox_id, started)


def test_a_started_sandbox_answers_with_its_boot_id_and_runs_commands(
    backend: Backend, sandbox_id: UUID
) -> None:
    phases: list[str] = []
    started = backend.start(sandbox_id, SandboxSpec(), lambda phase, detail: phases.append(phase))
    where = machine.reachable(sandbox_id, started)
    assert [phase for phase in phases if phase != "image"] == ["create", "boot"]
    assert backend.poll(sandbox_id, started.handle) is None
    assert started.isolation.startswith(backend.isolation)
    assert machine.health(where).boot_id == started.boot_id
    assert machine.printed(where, "echo hello").startswith("hello")


def test_a_stopped_sandbox_answers_no_more_and_a_second_stop_does_nothing(
    backend: Backend, sandbox_id: UUID
) -> None:
    started, where = begin(backend, sandbox_id)
    for _ in range(2):
        backend.stop(sandbox_id, started.handle)
        assert backend.poll(sandbox_id, started.handle)
        with pytest.raises(Unreachable):
            machine.health(where)


def test_files_outlive_a_stop_and_the_next_life_has_another_key_and_boot(
    backend: Backend, sandbox_id: UUID
) -> None:
    started, where = begin(backend, sandbox_id)
    command = (
        "write kept.txt still here" if isinstance(backend, MemoryBackend) else "echo still here > kept.txt"
    )
    machine.run(where, command)
    backend.stop(sandbox_id, started.handle, now=True)
    again, where_now = begin(backend, sandbox_id)
    assert machine.printed(where_now, "cat kept.txt").startswith("still here")
    assert again.boot_id != started.boot_id
    assert again.key != started.key


def test_a_second_start_ends_the_first_life_and_the_old_handle_cannot_harm_the_new_one(
    backend: Backend, sandbox_id: UUID
) -> None:
    first, _ = begin(backend, sandbox_id)
    second, where = begin(backend, sandbox_id)
    assert backend.poll(sandbox_id, first.handle)
    backend.stop(sandbox_id, first.handle, now=True)
    assert backend.poll(sandbox_id, second.handle) is None
    assert machine.health(where).boot_id == second.boot_id


def test_a_removed_sandbox_leaves_nothing_behind(backend: Backend, sandbox_id: UUID, home: Path) -> None:
    started, _ = begin(backend, sandbox_id)
    assert backend.disk_bytes([sandbox_id])[sandbox_id] >= 0
    for _ in range(2):
        backend.remove(sandbox_id)
        assert backend.poll(sandbox_id, started.handle)
        assert not list(home.glob(f"sandboxes/*{sandbox_id}*"))
    assert backend.disk_bytes([sandbox_id]) == {sandbox_id: 0}
    assert backend.logs(sandbox_id) == ""


def test_lives_are_listed_as_long_as_they_go_on(backend: Backend, sandbox_id: UUID) -> None:
    started, _ = begin(backend, sandbox_id)
    assert [(life.sandbox_id, life.handle) for life in backend.lives()] == [(sandbox_id, started.handle)]
    backend.stop(sandbox_id, started.handle, now=True)
    assert not list(backend.lives())


@pytest.mark.parametrize("now", [True, False])
def test_a_frozen_life_goes_on_answers_nothing_and_can_be_ended(
    backend: Backend, sandbox_id: UUID, settings: Settings, now: bool
) -> None:
    settings.SANDBOX_DEAD_AFTER = 1
    started, where = begin(backend, sandbox_id)
    machine.freeze(started, sandbox_id)
    assert backend.poll(sandbox_id, started.handle) is None
    with pytest.raises(Unreachable, match="not answered for 1 s"):
        machine.run(where, "echo hello")
    backend.stop(sandbox_id, started.handle, now=now)
    assert backend.poll(sandbox_id, started.handle)
    assert not list(backend.lives())
    _, where_now = begin(backend, sandbox_id)
    assert machine.printed(where_now, "echo hello").startswith("hello")


@pytest.mark.parametrize(
    "command",
    [
        "kill 1",
        "kill -INT 1",
        "kill -KILL 1",
        "pkill python",
        "pkill -f python",
        "killall python3",
        "kill -- -1",
        "python3 -c 'import os; os.kill(1, 15)'",
    ],
)
def test_what_runs_inside_cannot_end_the_sandbox(backend: Backend, sandbox_id: UUID, command: str) -> None:
    if isinstance(backend, MemoryBackend) or not backend.is_contained:
        pytest.skip("here it would reach the processes of this machine")
    started, where = begin(backend, sandbox_id)
    assert machine.printed(where, f"{command}; echo here").endswith("here")
    assert machine.printed(where, "echo and here").startswith("and here")
    assert backend.poll(sandbox_id, started.handle) is None
    assert machine.health(where).boot_id == started.boot_id


def test_a_stop_asks_what_runs_to_end_before_it_is_ended(backend: Backend, sandbox_id: UUID) -> None:
    if isinstance(backend, MemoryBackend):
        pytest.skip("it runs no processes")
    started, where = begin(backend, sandbox_id)
    machine.run(where, "(trap '' HUP; trap 'echo ended > said' TERM; touch ready; sleep 60 & wait) &")
    machine.run(where, "until [ -e ready ]; do sleep 0.05; done")
    backend.stop(sandbox_id, started.handle)
    _, where = begin(backend, sandbox_id)
    assert machine.printed(where, "cat said") == "ended"


def test_a_command_is_ended_by_signals_as_ever(backend: Backend, sandbox_id: UUID) -> None:
    if isinstance(backend, MemoryBackend):
        pytest.skip("it runs no processes")
    _, where = begin(backend, sandbox_id)
    for name, number in (("TERM", 15), ("INT", 2)):
        result = machine.run(where, f"bash -c 'kill -{name} $$; echo went on'")
        assert result.meta["exit_code"] == 128 + number, result.content
    assert machine.printed(where, "grep SigBlk /proc/self/status").split() == ["SigBlk:", "0" * 16]


def test_a_start_that_its_caller_breaks_off_is_undone(backend: Backend, sandbox_id: UUID) -> None:
    def break_off(phase: str, detail: str) -> None:
        if phase == "boot":
            raise _BrokenOffError

    with pytest.raises(_BrokenOffError):
        backend.start(sandbox_id, SandboxSpec(), break_off)
    assert not list(backend.lives())


def test_a_large_file_shows_in_the_size(backend: Backend, sandbox_id: UUID) -> None:
    _, where = begin(backend, sandbox_id)
    large = "x" * 60_000
    command = f"write large {large}" if isinstance(backend, MemoryBackend) else f"echo {large} > large"
    before = backend.disk_bytes([sandbox_id])[sandbox_id]
    machine.run(where, command)
    assert backend.disk_bytes([sandbox_id])[sandbox_id] - before >= len(large)


def test_the_key_is_in_no_representation(backend: Backend, sandbox_id: UUID) -> None:
    started, where = begin(backend, sandbox_id)
    assert started.key not in f"{started!r} {where!r} {started.handle!r}"
