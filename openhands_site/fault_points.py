"""Places in the code where a test can kill or hold the process: `tests/faults/points.py` gives the orders.

A fault that comes at a random time seldom hits the line that matters. With `OPENHANDS_FAULTS` naming a folder, a
process that reaches a point looks for a file of the point's name there, takes it away, and does what it says; so an
order is carried out once, whichever process comes first, also where a killed one is started again.
"""

import os
import signal
import time
from pathlib import Path

from django.conf import settings

HELD_SECONDS = 60  # the longest that a test may hold a point


def reach(point: str) -> None:
    """Does nothing in a server, where no folder is set."""
    if settings.FAULTS_FOLDER:
        _obey(Path(settings.FAULTS_FOLDER), point)


def _obey(folder: Path, point: str) -> None:
    taken = folder / f"{point}.reached"
    try:
        (folder / point).rename(taken)
        order = taken.read_text()
    except FileNotFoundError:  # nobody ordered anything, or it was taken back by now
        return
    if order == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    else:
        until = time.monotonic() + HELD_SECONDS
        while taken.exists() and time.monotonic() < until:
            time.sleep(0.002)
