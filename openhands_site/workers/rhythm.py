"""What a worker does now and then, along with a sweep that comes more often."""

import time


class Rhythm:
    """Each process has its own."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._last = float("-inf")

    def is_due(self) -> bool:
        """True the first time, and again once so many seconds have passed since it was."""
        now = time.monotonic()
        if now - self._last < self._seconds:
            return False
        self._last = now
        return True
