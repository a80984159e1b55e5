"""Time for what must happen within a second, on machines that now and then stand still for longer than that."""

import threading
import time
from types import TracebackType
from typing import Self

TICK, LONGEST_TICK = 0.005, 0.05


class Stopwatch:
    """`seconds` since `with`, of which each moment that nothing ran in counts as 50 ms at most."""

    def __enter__(self) -> Self:
        self.seconds = 0.0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._tick, name="stopwatch", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def _tick(self) -> None:
        before = time.monotonic()
        while not self._is_over.wait(TICK):
            now = time.monotonic()
            self.seconds += min(now - before, LONGEST_TICK)
            before = now
