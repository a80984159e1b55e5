"""What the action server says of itself: it stands outside the sandbox's folder, so it counts nowhere and is bounded here."""

from __future__ import annotations

import fcntl
import io
import logging
import os
import stat
import sys
from contextlib import suppress
from typing import Any

_MOST_BYTES = 256 * 1024
_LONGEST_WRITE = 16 * 1024


def prepare() -> None:
    """Bound standard error, and with it all that is logged, and let nobody without the key write there."""
    sys.stderr = io.TextIOWrapper(
        _Bounded(2, "wb", closefd=False), encoding="utf-8", errors="backslashreplace", write_through=True
    )
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    # A traceback for each request that is no HTTP, which whoever reaches the port can send.
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)


class _Bounded(io.FileIO):
    """A log file that begins anew when it is full. What is no file, an engine reads and bounds itself."""

    def write(self, data: Any) -> int:
        with suppress(OSError):  # A full disk is no reason to end.
            if self._is_log and os.fstat(self.fileno()).st_size > _MOST_BYTES:
                os.ftruncate(self.fileno(), 0)
            super().write(data[:_LONGEST_WRITE])
        return len(data)

    @property
    def _is_log(self) -> bool:
        """Only what is appended to: of another file its writers keep their places."""
        is_file = stat.S_ISREG(os.fstat(self.fileno()).st_mode)
        return is_file and bool(fcntl.fcntl(self.fileno(), fcntl.F_GETFL) & os.O_APPEND)
