"""Whose order to end is obeyed.

The first process of a sandbox is all that keeps it: when it ends, everything in it does. The kernel keeps signals from
it that were sent inside, but only those that it has not asked for; SIGTERM and SIGINT we ask for, to end politely. So
we look who sent them: `pkill -f python` is a thing that commands say.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
import threading
from typing import Callable

_ORDERS = (signal.SIGTERM, signal.SIGINT)
_NAME = b"action-server"  # up to 15 bytes; nothing that `pkill python` or `killall python3` would match
_PR_SET_NAME = 15


def prepare() -> None:
    """Called before there is a second thread: one that does not block the signals would get them."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_NAME, _NAME, 0, 0, 0)
    if _is_first():
        signal.pthread_sigmask(signal.SIG_BLOCK, _ORDERS)


def on_order(obey: Callable[[], None]) -> None:
    """Have `obey` called in the running event loop when we are told to end: by anybody, or as the first process of a
    sandbox by somebody outside it. Children get the signals as ever, for `Children.spawn` blocks none."""
    loop = asyncio.get_running_loop()
    if _is_first():
        threading.Thread(target=_heed, args=(loop, obey), name="orders", daemon=True).start()
        return
    for number in _ORDERS:
        loop.add_signal_handler(number, obey)


def _heed(loop: asyncio.AbstractEventLoop, obey: Callable[[], None]) -> None:
    while signal.sigwaitinfo(_ORDERS).si_pid:  # A sender outside our pid namespace has no number in it.
        continue
    loop.call_soon_threadsafe(obey)


def _is_first() -> bool:
    return os.getpid() == 1
