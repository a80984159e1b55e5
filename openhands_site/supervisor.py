"""Runs a few programs until told to end: restarts what dies, ends them in order, leaves none behind.

Every program starts in a session of its own, so that Ctrl-C reaches the supervisor alone, and dies with it. What
a program prints goes to a callable line by line. Use it from the main thread: the kernel ties a child's life to
the thread that started it.
"""

import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import structlog

from openhands_site import die_with_parent
from openhands_site.survivors import Register

FIRST_DELAY, LONGEST_DELAY, STEADY_SECONDS = 0.5, 30.0, 10.0
log = structlog.get_logger(__name__)
Printed = Callable[[str, str], None]


@dataclass(frozen=True)
class Program:
    """What to run. When it is to end it gets SIGTERM, and SIGKILL if it has not ended after `patience` seconds."""

    name: str
    command: list[str]
    patience: float = 5.0


@dataclass
class _Life:
    """A program, with what stands of it now."""

    program: Program
    process: "subprocess.Popen[str] | None" = None
    started_at: float = 0.0
    delay: float = FIRST_DELAY
    start_at: float = field(default_factory=time.monotonic)
    last_lines: deque[str] = field(default_factory=lambda: deque(maxlen=5))


class Supervisor:
    """`printed(name, line)` is called from a thread per program."""

    def __init__(self, environment: Mapping[str, str], register: Register, printed: Printed) -> None:
        self._environment, self._register, self._printed = dict(environment), register, printed
        self._lives: dict[str, _Life] = {}
        self._readers: list[threading.Thread] = []

    def start(self, program: Program) -> None:
        """Starts the program, and from now on whenever `watch` finds it dead."""
        life = self._lives[program.name] = _Life(program)
        self._start(life)

    def watch(self, is_ending: threading.Event) -> None:
        """Restarts what dies, sooner at first and then every 30 s, until the event is set."""
        while not is_ending.wait(0.2):
            now = time.monotonic()
            for life in self._lives.values():
                if life.process is None:
                    if now >= life.start_at:
                        self._start(life)
                elif life.process.poll() is not None:
                    self._note_death(life, f"ended with {life.process.returncode}", now)

    def last_lines(self, name: str) -> str:
        """The last that the program printed, 5 lines at most."""
        return "\n".join(self._lives[name].last_lines)

    def end(self, *names: str, is_hurried: Callable[[], bool] = lambda: False) -> None:
        """Ends these programs together and waits for it. They are not restarted. `is_hurried` cuts patience."""
        lives = [self._lives.pop(name) for name in names if name in self._lives]
        running = [(life.program, life.process) for life in lives if life.process]
        for _, process in running:
            process.terminate()
        begun = time.monotonic()
        for program, process in running:
            while process.poll() is None and time.monotonic() < begun + program.patience and not is_hurried():
                time.sleep(0.02)
            if process.poll() is None:
                log.warning("a process did not end in time and is killed", process=program.name)
                process.kill()
            process.wait()
            self._register.remove(process.pid)
        for reader in self._readers:
            reader.join(timeout=1)

    def _start(self, life: _Life) -> None:
        life.started_at = time.monotonic()
        try:
            process = self._spawn(life.program)
        except OSError as error:  # no memory or no process to be had: it is tried again
            self._note_death(life, f"could not be started: {error}", life.started_at)
            return
        reader = threading.Thread(target=self._read, args=(life, process), daemon=True)
        try:
            reader.start()
        except RuntimeError as error:  # no thread to be had
            with process:  # which closes its pipe and waits for it
                process.kill()
            self._note_death(life, f"could not be listened to: {error}", life.started_at)
            return
        self._register.add(process.pid)
        life.process = process
        self._readers = [*filter(threading.Thread.is_alive, self._readers), reader]

    def _spawn(self, program: Program) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-IS", die_with_parent.__file__, str(os.getpid()), *program.command],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )

    def _note_death(self, life: _Life, how: str, now: float) -> None:
        if life.process:
            self._register.remove(life.process.pid)
        if now - life.started_at > STEADY_SECONDS:
            life.delay = FIRST_DELAY
        life.process, life.start_at = None, now + life.delay
        log.error(
            "a process died and is started again",
            process=life.program.name,
            how=how,
            after_seconds=life.delay,
            said="\n".join(life.last_lines),
        )
        life.delay = min(life.delay * 2, LONGEST_DELAY)

    def _read(self, life: _Life, process: "subprocess.Popen[str]") -> None:
        assert process.stdout
        with process.stdout:
            for line in process.stdout:
                life.last_lines.append(line.rstrip("\n"))
                self._printed(life.program.name, life.last_lines[-1])
