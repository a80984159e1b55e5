"""What keeps a process sandbox in, and what ends it."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest
from django.conf import settings
from pytest_django import Settings

from sandboxes.backends.base import SandboxSpec
from sandboxes.backends.process import bubblewrap, interpreter, proc
from sandboxes.backends.process.backend import ProcessBackend
from sandboxes.backends.process.isolation import Isolation
from sandboxes.backends.process.places import Place
from sandboxes.client import Reachable
from sandboxes.errors import StartFailed
from tests.sandboxes import machine


@pytest.fixture(params=[machine.BUBBLEWRAP, machine.OWN_USER])
def isolated(request: pytest.FixtureRequest, home: Path) -> ProcessBackend:
    (home / "secret_keys").write_text("the secret key")
    (home / "openhands.sqlite3").write_text("the database")
    return ProcessBackend(machine.isolation(request.param))


@pytest.fixture(params=[machine.BUBBLEWRAP, machine.OWN_USER, machine.NOTHING])
def backend(request: pytest.FixtureRequest, home: Path) -> ProcessBackend:
    return ProcessBackend(machine.isolation(request.param))


@pytest.fixture
def plain(home: Path) -> ProcessBackend:
    return ProcessBackend(Isolation(bubblewrap=False, own_user=False))


@pytest.fixture
def sandbox_id(home: Path) -> Iterator[UUID]:
    made = uuid.uuid4()
    yield made
    ProcessBackend(Isolation(bubblewrap=False, own_user=False)).remove(made)


@pytest.fixture
def neighbour_id(home: Path) -> Iterator[UUID]:
    made = uuid.uuid4()
    yield made
    ProcessBackend(Isolation(bubblewrap=False, own_user=False)).remove(made)


def begin(backend: ProcessBackend, sandbox_id: UUID) -> Reachable:
    return machine.reachable(sandbox_id, backend.start(sandbox_id, SandboxSpec(), lambda *_: None))


def test_with_its_action_server_all_of_an_isolated_sandbox_ends(home: Path, sandbox_id: UUID) -> None:
    """What commands left running must not keep a life going in which nobody answers."""
    backend = ProcessBackend(machine.isolation(machine.BUBBLEWRAP))
    started = backend.start(sandbox_id, SandboxSpec(), lambda *_: None)
    where = machine.reachable(sandbox_id, started)
    machine.run(where, "sleep 1000 & disown; kill -9 1; echo the server does not mind")
    assert backend.poll(sandbox_id, started.handle) is None
    os.kill(int(started.handle["pid"]), signal.SIGKILL)
    deadline = time.monotonic() + 5
    while backend.poll(sandbox_id, started.handle) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_sandbox_can_read_neither_our_secrets_nor_its_neighbour(
    isolated: ProcessBackend,
    sandbox_id: UUID,
    neighbour_id: UUID,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "the token")
    neighbour = begin(isolated, neighbour_id)
    machine.run(neighbour, "echo the plan > plan.txt")
    where = begin(isolated, sandbox_id)
    forbidden = [
        home / "secret_keys",
        home / "openhands.sqlite3",
        home / "sandboxes" / f"{neighbour_id}" / "workspace" / "plan.txt",
        home / "sandboxes" / f"{neighbour_id}.json",
        home / "sandboxes" / f"{sandbox_id}.log",
        Path(f"/proc/{os.getpid()}/environ"),
        Path("/etc/shadow"),
    ]
    for path in forbidden:
        assert path.exists()
        result = machine.run(where, f"cat {path}")
        assert result.meta["exit_code"] == 1, path
        text = result.content[0].text
        assert "No such file" in text or "Permission denied" in text, path
    assert "the token" not in machine.printed(where, "cat /proc/*/environ 2>/dev/null; env; set")


def test_a_sandbox_has_no_capability_no_way_to_new_ones_and_a_user_of_its_own(
    isolated: ProcessBackend, sandbox_id: UUID, neighbour_id: UUID
) -> None:
    where = begin(isolated, sandbox_id)
    status = machine.printed(where, "grep -E '^(Cap|NoNew)' /proc/self/status")
    assert status.count("0000000000000000") == 5
    assert "NoNewPrivs:\t1" in status
    if os.geteuid() == 0:
        own = machine.printed(where, "id -u; id -g; id -G").split()[:3]
        others = machine.printed(begin(isolated, neighbour_id), "id -u").split()[0]
        assert own[0] == own[1] == own[2] != "0"
        assert own[0] != others
        again = begin(isolated, sandbox_id)
        assert machine.printed(again, "id -u").split()[0] == own[0]


def test_a_link_that_a_sandbox_leaves_behind_leads_the_next_start_nowhere(
    isolated: ProcessBackend, sandbox_id: UUID, home: Path
) -> None:
    target = home / "announced.json"
    target.write_text('{"port": 1, "boot_id": "forged"}')
    where = begin(isolated, sandbox_id)
    place = home / "sandboxes" / str(sandbox_id)
    os.unlink(place / "data" / "announce.json")
    os.symlink(target, place / "data" / "announce.json")
    os.symlink(home, place / "tmp" / "link")
    again = begin(isolated, sandbox_id)
    assert again.boot_id not in (where.boot_id, "forged")
    assert target.exists()


@pytest.mark.parametrize(
    "left", ["mkdir -p announce.json/x", "mkfifo announce.json", "ln -s / announce.json"]
)
def test_what_a_sandbox_puts_in_the_announcements_place_keeps_it_from_no_start(
    isolated: ProcessBackend, sandbox_id: UUID, left: str
) -> None:
    where = begin(isolated, sandbox_id)
    place = Place(settings.SANDBOX_FOLDER, sandbox_id)
    data = bubblewrap.DATA if isolated.is_contained else str(place.data)
    assert machine.run(where, f"cd {data} && rm announce.json && {left}").meta["exit_code"] == 0
    assert begin(isolated, sandbox_id).boot_id != where.boot_id


def test_bubblewrap_shows_the_code_of_the_action_server_and_nothing_else_of_ours(
    home: Path, sandbox_id: UUID
) -> None:
    where = begin(ProcessBackend(machine.isolation(machine.BUBBLEWRAP)), sandbox_id)
    shown = machine.printed(
        where, "cd /opt/openhands/server && find . -maxdepth 2 | sort | head -4; ls / /etc | cat"
    )
    assert "./sandboxes/action_server" in shown
    assert "models.py" not in shown
    assert "shadow" not in shown
    assert machine.run(where, f"ls {home}").meta["exit_code"] == 2
    assert machine.run(where, "touch /usr/x /opt/x /x").meta["exit_code"] == 1
    assert machine.run(where, "touch /tmp/x /workspace/x /dev/shm/x").meta["exit_code"] == 0


def test_a_stop_ends_jobs_that_were_detached_in_every_way(backend: ProcessBackend, sandbox_id: UUID) -> None:
    where = begin(backend, sandbox_id)
    number = str(uuid.uuid4().int % 10**9 + 10**6)
    machine.run(
        where, f"nohup setsid sleep {number} >/dev/null 2>&1 & (trap '' TERM HUP; sleep {number}) & sleep 0.1"
    )
    assert len(machine.processes_with(number)) >= 2
    life = next(iter(backend.lives()))
    backend.stop(sandbox_id, life.handle)
    assert machine.processes_with(number) == []


def test_what_a_killed_action_server_leaves_is_ended_by_the_next_start(
    isolated: ProcessBackend, sandbox_id: UUID
) -> None:
    where = begin(isolated, sandbox_id)
    number = str(uuid.uuid4().int % 10**9 + 10**6)
    machine.run(where, f"setsid sleep {number} >/dev/null 2>&1 & sleep 0.1")
    handle = next(iter(isolated.lives())).handle
    os.kill(handle["pid"], signal.SIGKILL)
    deadline = time.monotonic() + 5
    while isolated.poll(sandbox_id, handle) is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert isolated.poll(sandbox_id, handle) == "The sandbox's processes have ended."
    begin(isolated, sandbox_id)
    assert machine.processes_with(number) == []


def test_another_process_finds_a_life_and_ends_it(
    backend: ProcessBackend, sandbox_id: UUID, home: Path
) -> None:
    begin(backend, sandbox_id)
    handle = next(iter(backend.lives())).handle
    program = (
        "import django; django.setup()\n"
        "from sandboxes.backends.process.backend import ProcessBackend\n"
        "backend = ProcessBackend()\n"
        "for life in backend.lives():\n"
        "    print(life.sandbox_id)\n"
        "    backend.stop(life.sandbox_id, life.handle)\n"
    )
    environment = {**os.environ, "OPENHANDS_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert str(sandbox_id) in done.stdout
    assert backend.poll(sandbox_id, handle) is not None


def test_the_life_stands_in_a_file_beside_the_folder(
    plain: ProcessBackend, sandbox_id: UUID, home: Path
) -> None:
    where = begin(plain, sandbox_id)
    life = json.loads((home / "sandboxes" / f"{sandbox_id}.json").read_text())
    assert life.keys() == {"pid", "started", "port", "boot_id", "host", "uid", "groups"}
    assert life["boot_id"] == where.boot_id
    assert where.key not in json.dumps(life)


def test_a_life_on_another_machine_is_not_ours_to_judge_by_its_pid(
    plain: ProcessBackend, sandbox_id: UUID
) -> None:
    begin(plain, sandbox_id)
    elsewhere = {**next(iter(plain.lives())).handle, "host": "elsewhere"}
    assert not plain.is_here(elsewhere)
    assert "elsewhere" in str(plain.poll(sandbox_id, elsewhere))


def test_a_pid_that_was_given_to_another_process_is_not_taken_for_the_sandbox(
    plain: ProcessBackend, sandbox_id: UUID
) -> None:
    begin(plain, sandbox_id)
    handle = next(iter(plain.lives())).handle
    assert plain.poll(sandbox_id, {**handle, "started": handle["started"] - 1}) is not None


def test_what_runs_for_a_sandbox_is_killed_however_late_it_is(
    sandbox_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is for a worker that was frozen when it had just begun."""
    monkeypatch.setattr(proc, "KILL_SECONDS", 0)
    mark = {interpreter.MARK: str(sandbox_id)}
    with subprocess.Popen(["sleep", "60"], env=os.environ | mark) as stray:
        proc.end_strays(sandbox_id, None)
        assert stray.wait(5) == -signal.SIGKILL


def test_a_start_that_takes_too_long_names_its_phase_and_leaves_nothing_running(
    backend: ProcessBackend, sandbox_id: UUID, settings: Settings, home: Path
) -> None:
    settings.SANDBOX_START_TIMEOUT = 0
    with pytest.raises(StartFailed, match="not ready within 0 s") as failed:
        backend.start(sandbox_id, SandboxSpec(), lambda *_: None)
    assert failed.value.phase == "boot"
    assert not list(backend.lives())


def test_a_start_without_a_usable_folder_fails_while_it_is_created(
    plain: ProcessBackend, sandbox_id: UUID, home: Path
) -> None:
    (home / "sandboxes").mkdir()
    (home / "sandboxes" / str(sandbox_id)).write_text("in the way")
    with pytest.raises(StartFailed, match="could not be started") as failed:
        plain.start(sandbox_id, SandboxSpec(), lambda *_: None)
    assert failed.value.phase == "create"


def test_a_home_that_the_sandboxs_user_cannot_enter_fails_with_the_remedy(
    home: Path, sandbox_id: UUID, settings: Settings
) -> None:
    backend = ProcessBackend(machine.isolation(machine.OWN_USER))
    (home / "closed").mkdir(mode=0o700)
    settings.SANDBOX_FOLDER = home / "closed" / "sandboxes"
    with pytest.raises(
        StartFailed, match="set OPENHANDS_HOME to a folder below one that every user may enter"
    ):
        backend.start(sandbox_id, SandboxSpec(), lambda *_: None)
    backend.remove(sandbox_id)


def test_folders_that_forbid_writing_are_removed_all_the_same(
    plain: ProcessBackend, sandbox_id: UUID, home: Path
) -> None:
    where = begin(plain, sandbox_id)
    machine.run(where, "mkdir -p cache/module && touch cache/module/file && chmod -R a-w cache")
    plain.remove(sandbox_id)
    assert not (home / "sandboxes" / str(sandbox_id)).exists()


def test_limits_that_the_machine_can_keep_are_in_force_and_named(home: Path, sandbox_id: UUID) -> None:
    isolation = machine.isolation(machine.BUBBLEWRAP)
    if not isolation.limits:
        pytest.skip("no cgroup can be made here")
    backend = ProcessBackend(isolation)
    started = backend.start(sandbox_id, SandboxSpec(memory_mb=256, cpus=1, processes=40), lambda *_: None)
    assert started.isolation == f"{isolation}; limited: {', '.join(isolation.limits)}"
    where = machine.reachable(sandbox_id, started)
    if "processes" in isolation.limits:
        # Not in bash itself, which tries a fork again for half a minute.
        many = "sh -c 'for i in $(seq 60); do sleep 60 & done; true' 2>&1; pkill sleep"
        assert "fork" in machine.printed(where, many)
    if "memory" in isolation.limits:
        modest, hungry = (f"head -c {size}m /dev/zero | tail -c {size}m | wc -c" for size in (50, 500))
        assert str(50 * 2**20) in machine.printed(where, modest)
        assert str(500 * 2**20) not in machine.printed(where, hungry)
    backend.stop(sandbox_id, started.handle)
    assert not list(Path("/sys/fs/cgroup").glob(f"**/{sandbox_id}"))


def test_without_limits_none_is_named(home: Path, sandbox_id: UUID) -> None:
    backend = ProcessBackend(machine.isolation(machine.NOTHING))
    started = backend.start(sandbox_id, SandboxSpec(memory_mb=256), lambda *_: None)
    assert started.isolation == "none"
