"""Hints: Celery messages and Redis pokes that make things quick, and whose loss costs only latency.

They go through a bounded queue that one thread per process empties, so that no request and no step ever waits
for Redis. What does not fit, or cannot be sent, is dropped: sweeps and polls cover it.
"""

import queue
import threading
from collections.abc import Callable
from typing import Any, Protocol, cast

import structlog
from django.conf import settings
from django.utils.module_loading import import_string

from openhands_site import redis_client
from openhands_site.once import once

QUEUE_LIMIT = 10_000
log = structlog.get_logger(__name__)


class Sink(Protocol):
    """Where hints go. Either method may raise: the hint is then lost."""

    def enqueue(self, task: str, args: tuple[str, ...]) -> None: ...

    def publish(self, channel: str, message: str) -> None: ...


class RedisSink:
    """The real one: Celery's broker and Redis' publish."""

    def __init__(self) -> None:
        self.redis = redis_client.connect()

    def enqueue(self, task: str, args: tuple[str, ...]) -> None:
        from openhands_site.celery import app

        app.send_task(task, args=args, retry=False)

    def publish(self, channel: str, message: str) -> None:
        self.redis.publish(channel, message)


class _Outbox:
    def __init__(self) -> None:
        self.queue: queue.Queue[tuple[Callable[[str, Any], None], str, Any]] = queue.Queue(QUEUE_LIMIT)
        self.sink = cast(Sink, import_string(settings.HINTS_SINK)())
        threading.Thread(target=self.drain, name="hints", daemon=True).start()

    def put(self, send: Callable[[str, Any], None], name: str, body: Any) -> None:
        try:
            self.queue.put_nowait((send, name, body))
        except queue.Full:
            log.warning("a hint was dropped, the queue is full", hint=name)

    def drain(self) -> None:
        failing = False
        while True:
            send, name, body = self.queue.get()
            try:
                send(name, body)
            except Exception as error:  # noqa: BLE001 - a hint's loss is never an error of ours
                if not failing:
                    log.warning("hints are being lost", hint=name, error=str(error))
                failing = True
            else:
                failing = False


@once
def _outbox() -> _Outbox:
    return _Outbox()


def enqueue(task: str, *args: str) -> None:
    """Asks a worker to run the task soon. Call it on commit; it never waits and never raises."""
    outbox = _outbox()
    outbox.put(outbox.sink.enqueue, task, args)


def publish(channel: str, message: str) -> None:
    """Tells whoever listens on the channel. Call it on commit; it never waits and never raises."""
    outbox = _outbox()
    outbox.put(outbox.sink.publish, channel, message)
