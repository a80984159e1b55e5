"""The one event-loop thread of a process, which carries model and action-server calls.

A synchronous HTTP call cannot be cancelled from outside; a coroutine can. So the threads that run conversations
hand their network waits to this loop and wait for the result, or for an order.
"""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from openhands_site.once import once

T = TypeVar("T")


@once
def loop() -> asyncio.AbstractEventLoop:
    """The loop, whose thread is started at the first call."""
    new = asyncio.new_event_loop()
    threading.Thread(target=new.run_forever, name="event-loop", daemon=True).start()
    return new


def run(coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
    """Starts the coroutine on the loop. Cancelling the future cancels it."""
    return asyncio.run_coroutine_threadsafe(coroutine, loop())
