"""Orders for `openhands_site.fault_points`: what is to happen to the process that reaches a point next."""

import time
from pathlib import Path
from typing import Literal

Order = Literal["kill", "hold"]


class Points:
    """The folder that `OPENHANDS_FAULTS` names. An order is carried out once, by whichever process comes first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def arm(self, point: str, order: Order = "hold") -> None:
        """Whoever is held at the point goes on."""
        draft = self.folder / f".{point}"
        draft.write_text(order)
        draft.rename(self.folder / point)
        self._reached(point).unlink(missing_ok=True)

    def is_reached(self, point: str) -> bool:
        return self._reached(point).exists()

    def await_reached(self, point: str, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not self.is_reached(point):
            assert time.monotonic() < deadline, f"nobody reached {point} within {seconds} s"
            time.sleep(0.002)

    def release(self, point: str) -> None:
        """Nobody is held at the point any more."""
        (self.folder / point).unlink(missing_ok=True)
        self._reached(point).unlink(missing_ok=True)

    def _reached(self, point: str) -> Path:
        return self.folder / f"{point}.reached"
