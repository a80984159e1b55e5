"""The private way by which a shell tells us that a command, or the shell itself, has ended."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Callable, NamedTuple


class Report(NamedTuple):
    """What the shell says when a command ends (`kind` "end") or when it is about to exit ("exit")."""

    kind: str
    command: int
    exit_code: int
    directory: str
    options: str


class Channel:
    """A FIFO that the shell opens, writes one report to, and closes: no command inherits a descriptor.

    `on_report` is called in the event loop for each report, as soon as it arrives.
    """

    def __init__(self, path: Path, on_report: Callable[[Report], None]) -> None:
        self._on_report = on_report
        self._held = b""
        os.mkfifo(path, 0o600)
        # Open for both, so that it never reads as ended while no shell has it open.
        self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, self.read)

    def read(self) -> None:
        """Hand on what has arrived."""
        try:
            self._held += os.read(self._descriptor, 65536)
        except BlockingIOError:
            return
        size = len(Report._fields)
        *fields, self._held = self._held.split(b"\0")
        whole = len(fields) - len(fields) % size
        self._held = b"\0".join([*fields[whole:], self._held])
        for start in range(0, whole, size):
            self._report([field.decode("utf-8", "replace") for field in fields[start : start + size]])

    def close(self) -> None:
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _report(self, fields: list[str]) -> None:
        kind, command, exit_code, directory, options = fields
        if command.isdigit() and exit_code.isdigit():  # Otherwise a command has written here.
            self._on_report(Report(kind, int(command), int(exit_code), directory, options))
