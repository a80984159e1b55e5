"""Waiting for a result while an order may come in."""

from concurrent.futures import Future
from typing import Any

from conversations.agent.holder import Holder
from conversations.agent.inbox import Inbox
from openhands_site.db import release_connection


class ShutdownError(Exception):
    """The process is to end: the step is left to whoever comes next."""


def wait_for(future: "Future[Any]", holder: Holder, inbox: Inbox, *, leave_at_shutdown: bool) -> bool:
    """Waits until the future has ended (True) or a stop was ordered (False). A pause waits for the end.

    Raises ShutdownError where `leave_at_shutdown` and the process is told to end.
    """
    inbox.watch(future)
    while True:
        release_connection()
        signal = inbox.wait(future)
        if signal == "done":
            return True
        if signal == "shutdown" and leave_at_shutdown:
            future.cancel()
            raise ShutdownError
        if signal == "order":
            holder.read_new()
            if holder.history.stop_ordered:
                return False
