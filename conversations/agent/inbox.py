"""How a running conversation hears of an order while it waits: one reader per process, for all of them.

A poke through Redis makes it quick; besides, one query every 400 ms over the conversations that run here finds
what the poke did not bring.
"""

import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, Literal
from uuid import UUID

import structlog
from django.db import DatabaseError, connection

from conversations.models import Conversation
from openhands_site import redis_client
from openhands_site.db import release_connection
from openhands_site.once import once

POLL_SECONDS = 0.4
RECONNECT_SECONDS = 1.0
log = structlog.get_logger(__name__)
Signal = Literal["done", "order", "shutdown"]


class Inbox:
    """What the thread of one conversation waits on: a result, an order, or the end of the process."""

    def __init__(self, conversation_id: UUID) -> None:
        self.conversation_id = conversation_id
        self.last_order = 0
        self._signals: queue.SimpleQueue[Signal] = queue.SimpleQueue()

    def put(self, signal: Signal) -> None:
        self._signals.put(signal)

    def wait(self, future: "Future[Any]") -> Signal:
        """Returns "done" when the future has ended, or at once what else came in. Call it again to wait on."""
        if future.done():
            return "done"
        while True:
            signal = self._signals.get()
            if signal != "done" or future.done():
                return signal

    def watch(self, future: "Future[Any]") -> None:
        """Must be called once before `wait`: the future's end is a signal too."""
        future.add_done_callback(lambda _: self._signals.put("done"))


class OrderReader:
    """The process's one reader of orders. Its threads start with the first conversation."""

    def __init__(self) -> None:
        self.inboxes: dict[UUID, Inbox] = {}
        self.is_shutting_down = False
        self._some = threading.Event()
        self._begin = once(self._start_threads)

    @contextmanager
    def open(self, conversation_id: UUID) -> Iterator[Inbox]:
        self._begin()
        inbox = Inbox(conversation_id)
        self.inboxes[conversation_id] = inbox
        self._some.set()
        try:
            yield inbox
        finally:
            if self.inboxes.get(conversation_id) is inbox:
                del self.inboxes[conversation_id]

    def shut_down(self) -> None:
        """Tells every conversation of the process to give its lease up at the next step boundary."""
        self.is_shutting_down = True
        for inbox in list(self.inboxes.values()):
            inbox.put("shutdown")

    def _start_threads(self) -> None:
        for work, name in ((self._poll, "orders-poll"), (self._listen, "orders-listen")):
            threading.Thread(target=work, name=name, daemon=True).start()

    def _poll(self) -> None:
        while True:
            self._some.wait()
            time.sleep(POLL_SECONDS)
            if not self.inboxes:
                self._some.clear()
                if self.inboxes:  # one came in between
                    self._some.set()
                continue
            try:
                self.look(list(self.inboxes))
            except DatabaseError as error:
                log.warning("orders cannot be read", error=str(error))
                connection.close()
            release_connection()

    def look(self, conversation_ids: list[UUID]) -> None:
        """Reads the last order of each and signals what is new."""
        rows = Conversation.objects.filter(pk__in=conversation_ids).values_list("pk", "last_order_sequence")
        for conversation_id, sequence in rows:
            inbox = self.inboxes.get(conversation_id)
            if inbox and sequence > inbox.last_order:
                inbox.last_order = sequence
                inbox.put("order")

    def _listen(self) -> None:
        while True:
            try:
                with redis_client.subscribe_client().pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
                    subscription.subscribe(redis_client.orders_channel())
                    for message in subscription.listen():
                        self._on_poke(message["data"])
            except Exception as error:  # noqa: BLE001 - the poll covers a lost subscription, whatever its cause
                log.debug("the subscription to orders is away", error=str(error))
                time.sleep(RECONNECT_SECONDS)

    def _on_poke(self, data: bytes) -> None:
        inbox = self.inboxes.get(UUID(data.decode()))
        if inbox:
            inbox.put("order")


@once
def reader() -> OrderReader:
    return OrderReader()
