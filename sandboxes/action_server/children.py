"""The processes below the action server: starting them, hearing of their end, ending whole trees of them.

The action server is a child subreaper (or the first process of a pid namespace), so whatever a command
leaves behind becomes its child in the end. It therefore reaps with `waitpid(-1)`, which would take the
exit status away from `subprocess` and from asyncio's processes: everything in this package that starts a
process does it through `Children.spawn`.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from typing import Callable, Iterable, Mapping, NamedTuple

from .errors import ToolError

_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36
# Python ignores these; a command must find them as any program does, or `yes | head` complains.
_SIGNALS_TO_RESTORE = [signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP]
_TERM_SECONDS = 2.0
_KILL_SECONDS = 5.0


class Process(NamedTuple):
    """What /proc says of a process; `started` tells it from a later one of the same pid."""

    parent: int
    group: int
    session: int
    started: int


def adopt_orphans_and_hide_memory() -> None:
    """On Linux: orphans become our children, and processes of our own user can neither trace us nor read us.

    Our memory holds the key, and the commands run as the same user.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((_PR_SET_CHILD_SUBREAPER, 1), (_PR_SET_DUMPABLE, 0)):
        if libc.prctl(option, value, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl failed")


def processes() -> dict[int, Process]:
    """Every process by pid; empty where there is no Linux /proc."""
    found = {}
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue  # It ended between the listing and the reading.
            if fields[0] not in (b"Z", b"X"):
                found[int(name)] = Process(*(int(fields[index]) for index in (1, 2, 3, 19)))
    return found


def tree(roots: Iterable[int], table: Mapping[int, Process]) -> dict[int, Process]:
    """Those of `roots` that live, and all their descendants."""
    children: dict[int, list[int]] = {}
    for pid, process in table.items():
        children.setdefault(process.parent, []).append(pid)
    found = {}
    waiting = list(roots)
    while waiting:
        pid = waiting.pop()
        if pid in table and pid not in found:
            found[pid] = table[pid]
            waiting += children.get(pid, ())
    return found


def send(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to each process that is still there."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            continue


def kill_tree(roots: Iterable[int]) -> None:
    """SIGKILL `roots` and all their descendants.

    They are stopped first: killing a parent while its child forks would let a grandchild escape.
    """
    roots = list(roots)
    doomed: set[int] = set()
    while True:
        table = processes()
        found = set(tree(roots, table) if table else roots) - doomed - {os.getpid()}
        if not found:
            break
        send(found, signal.SIGSTOP)
        doomed |= found
    send(doomed, signal.SIGKILL)


class Children:
    """Starts processes and reaps every child; made once, inside the running event loop."""

    def __init__(self) -> None:
        self._on_exit: dict[int, Callable[[int], None]] = {}
        self._childless = asyncio.Event()
        self._is_ending = False
        asyncio.get_running_loop().add_signal_handler(signal.SIGCHLD, self.reap)

    def spawn(
        self,
        argv: list[str],
        environment: Mapping[str, str],
        tty: str,
        on_exit: Callable[[int], None],
    ) -> int:
        """Start `argv` as the leader of a new session on the terminal `tty` and return its pid.

        `on_exit` is called once, in the event loop, with the exit code (128 + n after signal n).
        Raises OSError when the program cannot be started, ToolError once everything is being ended.
        """
        if self._is_ending:
            raise ToolError("The sandbox is being stopped.")
        pid = os.posix_spawn(
            argv[0],
            argv,
            environment,
            # Opened by the session's leader, the terminal becomes the controlling one.
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, tty, os.O_RDWR, 0),
                (os.POSIX_SPAWN_DUP2, 0, 1),
                (os.POSIX_SPAWN_DUP2, 0, 2),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=_SIGNALS_TO_RESTORE,
        )
        self._childless.clear()
        self._on_exit[pid] = on_exit
        return pid

    def reap(self) -> None:
        """Take the exit status of every child that has ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self._childless.set()
                return
            if pid == 0:
                return
            on_exit = self._on_exit.pop(pid, None)
            if on_exit is not None:
                code = os.waitstatus_to_exitcode(status)
                on_exit(code if code >= 0 else 128 - code)

    async def end_all(self) -> None:
        """End every descendant, politely for two seconds, then for certain; nothing can be started any more."""
        self._is_ending = True
        polite = tree([os.getpid()], processes()).keys() - {os.getpid()}
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGCONT):
            send(polite, number)
        if await self._is_childless(_TERM_SECONDS):
            return
        deadline = asyncio.get_running_loop().time() + _KILL_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            table = processes()
            rest = [pid for pid, process in table.items() if process.parent == os.getpid()]
            kill_tree(rest if table else self._on_exit)
            if await self._is_childless(0.1):
                return

    async def _is_childless(self, seconds: float) -> bool:
        self._childless.clear()
        self.reap()
        try:
            await asyncio.wait_for(self._childless.wait(), seconds)
        except asyncio.TimeoutError:
            return False
        return True
