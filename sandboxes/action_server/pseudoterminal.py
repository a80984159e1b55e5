"""The terminal that a shell and its commands run on, seen from its other end."""

from __future__ import annotations

import asyncio
import fcntl
import os
import secrets
import signal
import struct
import termios
from contextlib import suppress
from typing import Any, Callable

_ROWS, _COLUMNS = 50, 160
_PIECE_BYTES = 4096  # what the kernel hands on at most, whatever is asked for
_SETTLE_SECONDS = 0.2
_TYPE_SECONDS = 2.0
LONGEST_LINE = 4095  # bytes; what Linux takes of one line in canonical mode


class PseudoTerminal:
    """A pseudo-terminal that is read whenever bytes arrive; nothing polls.

    It has no echo and leaves output as the program wrote it (no `\\r` before `\\n`). It stays open for
    the life of a session, so that background jobs outlive the shell that started them.
    """

    def __init__(self, on_output: Callable[[bytes], None]) -> None:
        self._on_output = on_output
        self._loop = asyncio.get_running_loop()
        self._master, self._slave = os.openpty()
        self.path = os.ttyname(self._slave)
        os.set_blocking(self._master, False)
        os.set_blocking(self._slave, False)
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, _COLUMNS, 0, 0))
        self._sane = _sane_modes(termios.tcgetattr(self._slave))
        self._mark = b""
        self._is_mark_written = False
        self._before_mark = b""
        self._settled: asyncio.Future[None] | None = None
        self.make_sane()
        self._loop.add_reader(self._master, self._read)

    def make_sane(self) -> None:
        """Undo what a program did to the terminal, and drop what was typed and never read."""
        termios.tcsetattr(self._slave, termios.TCSANOW, self._sane)
        termios.tcflush(self._slave, termios.TCIFLUSH)
        termios.tcflow(self._slave, termios.TCOON)

    async def type(self, data: bytes) -> int:
        """Type `data`; returns how many bytes of it were taken before the reader stopped reading."""
        typed = 0
        while typed < len(data):
            try:
                typed += os.write(self._master, data[typed:])
            except BlockingIOError:
                if not await self._has_room():
                    break
        return typed

    def type_line(self, line: bytes) -> None:
        """Type a short line for a shell that waits for one."""
        os.write(self._master, line)

    def signal(self, number: signal.Signals) -> bool:
        """Do what the key for this signal does, however much unread input is before it in the queue.

        Returns False, and does nothing, where the program wants the key itself.
        """
        if not termios.tcgetattr(self._slave)[3] & termios.ISIG:
            return False
        termios.tcflush(self._slave, termios.TCIFLUSH)
        with suppress(OSError):  # The program has just ended.
            os.killpg(self.foreground_group, number)
        return True

    @property
    def takes_lines(self) -> bool:
        """Whether a program that reads gets whole lines, of at most `LONGEST_LINE` bytes."""
        return bool(termios.tcgetattr(self._slave)[3] & termios.ICANON)

    @property
    def foreground_group(self) -> int:
        """The process group that has the terminal."""
        return os.tcgetpgrp(self._master)

    async def settle(self) -> None:
        """Return when all that was printed before this call has been handed on.

        The kernel passes a terminal's output on asynchronously, so an empty read proves nothing. We write
        a mark of our own behind the output and read up to it. Nobody else knows it.
        """
        self._mark = b"\x1b_" + secrets.token_hex(8).encode() + b"\x1b\\"
        self._settled = self._loop.create_future()
        self._write_mark()
        try:
            await asyncio.wait_for(self._settled, _SETTLE_SECONDS)
        except asyncio.TimeoutError:
            pass  # A background job floods the terminal, or somebody stopped its output: take what has come.
        finally:
            self._settled = None
            rest, self._before_mark = self._before_mark, b""
            if rest:
                self._on_output(rest)

    def close(self) -> None:
        self._loop.remove_reader(self._master)
        os.close(self._master)
        os.close(self._slave)

    async def _has_room(self) -> bool:
        writable = asyncio.Event()
        self._loop.add_writer(self._master, writable.set)
        try:
            await asyncio.wait_for(writable.wait(), _TYPE_SECONDS)
        except asyncio.TimeoutError:
            return False
        finally:
            self._loop.remove_writer(self._master)
        return True

    def _write_mark(self) -> None:
        """Write it, unless there is no room: then reading makes room, and `_read` tries again."""
        try:
            self._is_mark_written = os.write(self._slave, self._mark) == len(self._mark)
        except BlockingIOError:
            self._is_mark_written = False

    def _read(self) -> None:
        """One piece a turn of the event loop. More at once is no gain: while we work on it, the kernel has no room for what
        the program writes. 100 MB took 1.42 s with up to 64 pieces, and 1.20 s with one."""
        try:
            data = os.read(self._master, _PIECE_BYTES)
        except OSError:  # Nothing there after all.
            data = b""
        if self._settled is not None and not self._settled.done():
            data = self._look_for_mark(self._before_mark + data)
            if not self._is_mark_written:
                self._write_mark()
        if data:
            self._on_output(data)

    def _look_for_mark(self, data: bytes) -> bytes:
        """What of `data` can be handed on; the beginning of a mark may be at its end."""
        before, mark, after = data.partition(self._mark)
        if mark and self._settled is not None:
            self._before_mark = b""
            self._settled.set_result(None)
            return before + after
        keep = len(self._mark) - 1
        self._before_mark = data[-keep:]
        return data[:-keep]


def _sane_modes(modes: list[Any]) -> list[Any]:
    """No echo, no output processing, no flow control by keys; lines and signals by keys as usual."""
    modes[0] = termios.ICRNL | termios.IMAXBEL | getattr(termios, "IUTF8", 0)
    modes[1] &= ~termios.OPOST
    modes[3] = termios.ISIG | termios.ICANON | termios.IEXTEN
    return modes
