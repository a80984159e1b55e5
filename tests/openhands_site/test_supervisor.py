"""The contract of the supervisor, on real processes."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from openhands_site import supervisor as supervisor_module
from openhands_site.supervisor import Program, Supervisor
from openhands_site.survivors import Register, started_at

ROOT = Path(__file__).resolve().parents[2]
SLEEP = "import time; time.sleep(60)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"


class Run:
    """A supervisor whose watch runs in the main thread while the test's steps run in another."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[tuple[str, str]] = []
        self.register = Register(folder / "processes")
        self.supervisor = Supervisor(
            dict(os.environ), self.register, lambda name, line: self.lines.append((name, line))
        )

    def start(self, name: str, code: str, patience: float = 5) -> None:
        self.supervisor.start(Program(name, [sys.executable, "-c", code], patience))

    def watch_until(self, condition: Callable[[], bool], seconds: float = 15) -> None:
        is_ending = threading.Event()

        def wait() -> None:
            deadline = time.monotonic() + seconds
            while not condition() and time.monotonic() < deadline:
                time.sleep(0.02)
            is_ending.set()

        threading.Thread(target=wait, daemon=True).start()
        self.supervisor.watch(is_ending)
        assert condition()

    def printed(self, name: str) -> list[str]:
        return [line for from_whom, line in self.lines if from_whom == name]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    running = Run(tmp_path)
    yield running
    running.supervisor.end("a", "b", is_hurried=lambda: True)


def is_gone(pid: int) -> bool:
    return not started_at(pid)


def test_what_dies_is_started_again_and_each_time_waits_longer(run: Run) -> None:
    run.start("a", "import time; print(time.time(), flush=True)")
    run.watch_until(lambda: len(run.printed("a")) >= 3)
    first, second, third = (float(line) for line in run.printed("a")[:3])
    assert second - first >= supervisor_module.FIRST_DELAY
    assert third - second >= 2 * supervisor_module.FIRST_DELAY


def test_a_program_that_is_killed_is_started_again(run: Run) -> None:
    run.start("a", f"import os; print(os.getpid(), flush=True); {SLEEP}")
    run.watch_until(lambda: len(run.printed("a")) == 1)
    os.kill(int(run.printed("a")[0]), signal.SIGKILL)
    run.watch_until(lambda: len(run.printed("a")) == 2)


def test_a_disk_without_room_for_the_register_keeps_nobody_from_being_started_again(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "processes.new").mkdir()  # whoever writes there meets an OSError
    run.start("a", "print('again', flush=True)")
    run.watch_until(lambda: len(run.printed("a")) == 2)


def test_a_program_that_cannot_be_started_now_is_tried_again(tmp_path: Path) -> None:
    too_much = {"LARGE": "x" * 200_000}  # the kernel refuses it, as it does where no memory is left
    register = Register(tmp_path / "processes")
    supervisor = Supervisor(too_much, register, lambda name, line: None)
    with capture_logs() as logs:
        supervisor.start(Program("a", [sys.executable, "-c", SLEEP]))
        is_ending = threading.Event()
        threading.Timer(1, is_ending.set).start()
        supervisor.watch(is_ending)
    assert len(logs) >= 2
    assert "could not be started" in logs[0]["how"]
    supervisor.end("a")


def test_a_program_whose_lines_no_thread_can_read_is_ended_and_tried_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with capture_logs() as logs, monkeypatch.context() as without_threads:
        without_threads.setattr(threading.Thread, "start", refuse)
        run.start("a", f"import os; print(os.getpid(), flush=True); {SLEEP}")
    assert "could not be listened to" in logs[0]["how"]
    run.watch_until(lambda: len(run.printed("a")) == 1)


def test_every_line_is_handed_on_also_one_that_is_no_utf8(run: Run) -> None:
    run.start("a", "import sys; sys.stdout.buffer.write(b'one\\n\\xff two\\n'); sys.stderr.write('three\\n')")
    run.watch_until(lambda: len(run.printed("a")) >= 3)
    assert set(run.printed("a")[:3]) == {"one", "\ufffd two", "three"}


def test_a_program_that_ends_in_time_gets_sigterm_and_is_not_started_again(run: Run) -> None:
    run.start("a", f"import os; print(os.getpid(), flush=True); {SLEEP}")
    run.watch_until(lambda: len(run.printed("a")) == 1)
    run.supervisor.end("a")
    assert is_gone(int(run.printed("a")[0]))
    time.sleep(supervisor_module.FIRST_DELAY + 0.3)
    assert len(run.printed("a")) == 1


def test_a_program_deaf_to_sigterm_is_killed_when_patience_ends(run: Run) -> None:
    run.start("a", DEAF, patience=0.3)
    run.watch_until(lambda: run.printed("a") == ["deaf"])
    begun = time.monotonic()
    run.supervisor.end("a")
    assert 0.3 <= time.monotonic() - begun < 8


def test_a_hurry_cuts_patience_short(run: Run) -> None:
    run.start("a", DEAF, patience=60)
    run.watch_until(lambda: run.printed("a") == ["deaf"])
    begun = time.monotonic()
    run.supervisor.end("a", is_hurried=lambda: time.monotonic() > begun + 0.2)
    assert time.monotonic() - begun < 30


def test_programs_are_in_sessions_of_their_own_so_that_ctrl_c_does_not_reach_them(run: Run) -> None:
    run.start("a", f"import os; print(os.getsid(0), flush=True); {SLEEP}")
    run.watch_until(lambda: len(run.printed("a")) == 1)
    assert int(run.printed("a")[0]) != os.getsid(0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child's life to its parent's")
def test_programs_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    script = f"""
import os, sys, threading
from pathlib import Path
from openhands_site.supervisor import Program, Supervisor
from openhands_site.survivors import Register
supervisor = Supervisor(dict(os.environ), Register(Path({str(tmp_path)!r}) / "processes"), lambda name, line: print(line, flush=True))
supervisor.start(Program("a", [sys.executable, "-c", "import os, signal, time; signal.signal(15, signal.SIG_IGN); print(os.getpid(), flush=True); time.sleep(60)"]))
supervisor.watch(threading.Event())
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        pid = int(process.stdout.readline())
        assert not is_gone(pid)
        process.kill()
    deadline = time.monotonic() + 5
    while not is_gone(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert is_gone(pid)
