"""This process as a worker: its row, its heartbeat and the sweep over due work.

A heartbeat every 2 s says that it lives; after 6 s without one, by the database's clock, others may take what it
held. A worker that could not write its own heartbeat for a while judges nobody until it has written it for as
long again: with the database away, everybody looks dead.
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import structlog
from django.db import DatabaseError, close_old_connections, connection
from django.db.models.functions import Now

from openhands_site.workers.models import DEAD_AFTER_SECONDS, HEARTBEAT_SECONDS, Worker

BLIND_AFTER_SECONDS = 4
FORGOTTEN_AFTER = timedelta(days=1)
log = structlog.get_logger(__name__)
Sweep = Callable[[UUID, int], None]


class WorkerProcess:
    """One per process. `free_threads` says how much work it can still take on."""

    def __init__(self, name: str, sweeps: list[Sweep], free_threads: Callable[[], int]) -> None:
        self.id = self._register(name)
        self._name = name
        self._sweeps = sweeps
        self._free_threads = free_threads
        self._ended = threading.Event()
        self._last_beat = time.monotonic()
        self._judges_from = 0.0
        self._thread = threading.Thread(target=self._live, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Takes the row away: what it still held is free at once."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=HEARTBEAT_SECONDS + 1)
        Worker.objects.filter(pk=self.id).delete()

    def beat(self) -> None:
        """Writes the heartbeat; a row that someone removed is made again."""
        now = time.monotonic()
        if not Worker.objects.filter(pk=self.id).update(last_seen=Now()):
            self._register(self._name, self.id)
        if now - self._last_beat > BLIND_AFTER_SECONDS:
            self._judges_from = now + DEAD_AFTER_SECONDS
        self._last_beat = now

    def sweep(self) -> None:
        if time.monotonic() < self._judges_from:
            return
        for sweep in self._sweeps:
            free = self._free_threads()
            if free > 0:
                sweep(self.id, free)

    def _live(self) -> None:
        while not self._ended.is_set():
            try:
                self.beat()
                self.sweep()
            except DatabaseError as error:
                log.warning("the heartbeat could not be written", error=str(error))
                connection.close()
            close_old_connections()
            self._ended.wait(HEARTBEAT_SECONDS)
        connection.close()

    @staticmethod
    def _register(name: str, worker_id: UUID | None = None) -> UUID:
        worker = Worker(name=name, host=socket.gethostname(), pid=os.getpid())
        if worker_id:
            worker.pk = worker_id
        worker.save(force_insert=True)
        Worker.objects.filter(last_seen__lt=Now() - FORGOTTEN_AFTER).delete()  # the rows of killed processes
        return worker.pk


_current: WorkerProcess | None = None


def become_worker(name: str, sweeps: list[Sweep], free_threads: Callable[[], int]) -> WorkerProcess:
    """Makes this process a worker, once."""
    global _current  # noqa: PLW0603 - a process is one worker
    assert _current is None, "this process is a worker already"
    _current = WorkerProcess(name, sweeps, free_threads)
    _current.start()
    return _current


def current_worker_id() -> UUID:
    assert _current is not None, "this process is no worker"
    return _current.id


def end_worker() -> None:
    """Ends this process's worker, if it ever became one."""
    if _current is not None:
        _current.end()
