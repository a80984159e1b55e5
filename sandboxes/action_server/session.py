"""A terminal session: a shell, the command that runs in it, and what that prints."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, AsyncIterator, Mapping, NamedTuple

from .channel import Channel, Report
from .children import Children, kill_tree, processes, send, tree
from .output import Output
from .pseudoterminal import PseudoTerminal
from .shell import Shell

LONGEST_WAIT = 600.0
_SIGNAL_KEYS = {"C": signal.SIGINT, "Z": signal.SIGTSTP, "\\": signal.SIGQUIT}
_SIGINT_SECONDS = 2.0
_SIGKILL_SECONDS = 1.0
_SURVIVOR_SECONDS = 0.2


class End(NamedTuple):
    """How a command ended; `shell_ended` when its shell went with it, `had_errexit` when `set -e` was on."""

    exit_code: int
    shell_ended: bool = False
    had_errexit: bool = False


class Session:
    """One persistent shell at a time, on one terminal, used by one action at a time.

    A shell that has ended is replaced when the next command starts, in the directory it was in.
    """

    def __init__(
        self, children: Children, folder: Path, outputs: Path, workspace: str, environment: Mapping[str, str]
    ) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.directory = workspace
        self.started = 0.0
        self._use = asyncio.Lock()
        self._users: list[
            asyncio.Event
        ] = []  # what interrupts the action that holds it, and those that wait for it
        self.is_silent = False
        self._workspace = workspace
        self._outputs = outputs
        self._loop = asyncio.get_running_loop()
        self._output_count = 0
        self.output = self._new_output()
        self._last_output = 0.0
        self._terminal = PseudoTerminal(self._on_output)
        self._channel = Channel(folder / "reports", self._on_report)
        self._shell = Shell(children, self._terminal, folder, environment)
        self._is_shell_alive = False
        self._options = ""
        self._had_errexit = False
        self._command = 0
        self._end: asyncio.Future[End] | None = None

    @property
    def is_taken(self) -> bool:
        """Whether an action uses the session that was not interrupted, and so does not end soon."""
        return bool(self._users) and not self._users[0].is_set()

    def drive_out(self) -> None:
        """Interrupt the action that uses the session, and those that wait for it."""
        for user in self._users:
            user.set()

    @asynccontextmanager
    async def used_by(self, interrupted: asyncio.Event) -> AsyncIterator[None]:
        """Alone in the session, after those that came before. `interrupted` is what ends the use."""
        self._users.append(interrupted)
        try:
            async with self._use:
                yield
        finally:
            self._users.remove(interrupted)

    @property
    def is_running(self) -> bool:
        """Whether a command has been started whose end has not been observed."""
        return self._end is not None

    def start(self, command: str) -> bool:
        """Start `command`; none may be running. Returns whether a fresh shell had to be started for it."""
        is_fresh = not self._is_shell_alive
        if is_fresh:
            self._shell.start(self.directory, self._workspace, self._on_exit)
            self._is_shell_alive = True
            self._options = ""
            self._had_errexit = False
        self._command = self._shell.run(command, self._options)
        self._end = self._loop.create_future()
        self.started = self._loop.time()
        return is_fresh

    async def type(self, data: bytes) -> int:
        """Type to the running command; returns how many bytes it took."""
        return await self._terminal.type(data)

    async def press(self, key: str) -> None:
        """Press Ctrl with `key`, a letter or one of `@[\\]^_`."""
        number = _SIGNAL_KEYS.get(key.upper())
        if number is None or not self._terminal.signal(number):
            await self._terminal.type(bytes([ord(key.upper()) & 31]))

    @property
    def takes_lines(self) -> bool:
        return self._terminal.takes_lines

    async def wait(self, silence: float, interrupted: asyncio.Event) -> bool:
        """Wait for the running command's end, for `interrupted`, or for `silence` seconds without output.

        A command that prints on and on is left after `LONGEST_WAIT`; `is_silent` tells which it was. Returns
        whether it has ended.
        """
        if self._end is None:
            return False
        begun = self._last_output = self._loop.time()
        stop = asyncio.ensure_future(interrupted.wait())
        either: set[asyncio.Future[Any]] = {self._end, stop}
        try:
            while not self._end.done() and not stop.done():
                now = self._loop.time()
                patience = min(self._last_output + silence, begun + max(silence, LONGEST_WAIT)) - now
                if patience <= 0:
                    self.is_silent = now >= self._last_output + silence
                    break
                await asyncio.wait(either, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stop.cancel()
        return self._end.done()

    async def finish(self) -> tuple[End, Output]:
        """How the command, which has ended, did so, and all it printed. The session is idle after this."""
        assert self._end is not None
        end = self._end.result()
        await self._terminal.settle()
        self._end = None
        output, self.output = self.output, self._new_output()
        return end, output

    async def interrupt(self) -> None:
        """End the running command: SIGINT to its process group, then SIGKILL to whatever of it remains.

        Background jobs are spared. When nothing else helps the shell is killed too.
        """
        if self._end is None:
            return
        victims = self._foreground()
        with suppress(OSError):  # It has just ended.
            os.killpg(self._terminal.foreground_group, signal.SIGINT)
        send(victims, signal.SIGINT)
        await asyncio.wait({self._end}, timeout=_SIGINT_SECONDS)
        if self._end.done() and _living(victims):
            await asyncio.sleep(_SURVIVOR_SECONDS)
        kill_tree(_living(victims))
        if self._end.done():
            return
        kill_tree(self._foreground())
        send([self._shell.pid], signal.SIGINT)
        await asyncio.wait({self._end}, timeout=_SIGKILL_SECONDS)
        if not self._end.done():
            kill_tree(self._foreground())
            send([self._shell.pid], signal.SIGKILL)
            await asyncio.wait({self._end})

    async def reset(self) -> None:
        """Kill the shell and everything that runs in the session."""
        if self._is_shell_alive:
            if self._end is None:
                self._end = self._loop.create_future()
            table = processes()
            kill_tree([pid for pid in table if table[pid].session == self._shell.pid] or [self._shell.pid])
            await asyncio.wait({self._end})
            (await self.finish())[1].close()
        self.directory = self._workspace

    def close(self) -> None:
        """Give the descriptors back; the processes are ended elsewhere."""
        self._terminal.close()
        self._channel.close()
        self.output.close()

    def _foreground(self) -> dict[int, int]:
        """The processes of the running command, without the shell, as pid: start time."""
        table = processes()
        try:
            group = self._terminal.foreground_group
        except OSError:
            return {}
        members = [pid for pid in table if table[pid].group == group and pid != self._shell.pid]
        return {pid: process.started for pid, process in tree(members, table).items()}

    def _new_output(self) -> Output:
        self._output_count += 1
        return Output(self._outputs.with_name(f"{self._outputs.name}-{self._output_count}.txt"))

    def _on_output(self, data: bytes) -> None:
        self._last_output = self._loop.time()
        self.output.feed(data)

    def _on_report(self, report: Report) -> None:
        self.directory, self._options = report.directory, report.options
        if report.kind == "exit":
            self._had_errexit = "e" in report.options
        elif report.command == self._command:
            self._finish_with(End(report.exit_code))

    def _on_exit(self, exit_code: int) -> None:
        self._channel.read()
        self._is_shell_alive = False
        self._finish_with(End(exit_code, shell_ended=True, had_errexit=self._had_errexit))

    def _finish_with(self, end: End) -> None:
        if self._end is not None and not self._end.done():
            self._end.set_result(end)


def _living(victims: Mapping[int, int]) -> list[int]:
    table = processes()
    return [pid for pid, started in victims.items() if pid in table and table[pid].started == started]
