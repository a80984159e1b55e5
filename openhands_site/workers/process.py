"""This process as a worker: its row, its heartbeat and the sweep over due work.

A heartbeat, by default every 2 s, says that it lives; three missed, by the database's clock, and others may take
what it held. A worker that could not write its own for two judges nobody until it has written it for three again:
with the database away, everybody looks dead. One that is new waits for two, so that whoever lives can say so.
"""

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable
from datetime import timedelta
from uuid import UUID

import structlog
from django.db import DatabaseError, close_old_connections, connection
from django.db.models import Case, F, When
from django.db.models.functions import Now

from openhands_site.workers.models import Worker, blind_after, dead_after, heartbeat_every

FORGOTTEN_AFTER = timedelta(days=1)
log = structlog.get_logger(__name__)
Work = tuple[str, ...]  # the name of a task, and its arguments
Sweep = Callable[[UUID, int], Iterable[Work]]
"""What is due and free for this worker, as many as it has free threads, the longest waiting first."""


class WorkerProcess:
    """One per process. `free_threads` says how much work it can still take on, `begin` begins it in one of them.

    The sweep hands its finds to this process and no broker, so that work goes on where the broker is away.
    """

    def __init__(
        self,
        name: str,
        sweeps: Iterable[Sweep] = (),
        free_threads: Callable[[], int] = lambda: 0,
        begin: Callable[[Work], None] = lambda work: None,
    ) -> None:
        self.id = self._register(name)
        self._name = name
        self._sweeps, self._free_threads, self._begin = list(sweeps), free_threads, begin
        self._takes_work = True
        self._beginning = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._live, name="heartbeat", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def take_no_more(self) -> None:
        """It is about to end: it says that it lives, and begins nothing once this has returned."""
        with self._beginning:
            self._takes_work = False

    def end(self) -> None:
        """Takes the row away: what it still held is free at once."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=heartbeat_every().total_seconds() + 1)
        Worker.objects.filter(pk=self.id).delete()

    def beat(self) -> None:
        """Writes the heartbeat; a row that someone removed is made again."""
        was_blind = When(last_seen__lt=Now() - blind_after(), then=Now() + dead_after())
        beaten = Worker.objects.filter(pk=self.id).update(
            judges_from=Case(was_blind, default=F("judges_from")), last_seen=Now()
        )
        if not beaten:
            self._register(self._name, self.id)

    def sweep(self) -> None:
        for sweep in self._sweeps if self._takes_work else ():
            free = self._free_threads()
            if free > 0:
                for work in sweep(self.id, free):
                    with self._beginning:
                        if not self._takes_work:
                            return
                        self._begin(work)

    def _live(self) -> None:
        """Whatever unforeseen ends this thread ends the process: without a heartbeat it would be dead to all others, and
        to the supervisor, which starts again what has ended, it would live for ever."""
        try:
            while not self._ended.is_set():
                self._beat_and_sweep()
                self._ended.wait(heartbeat_every().total_seconds())
        finally:
            connection.close()
            if not self._ended.is_set():
                os.kill(os.getpid(), signal.SIGTERM)

    def _beat_and_sweep(self) -> None:
        try:
            self.beat()
            self.sweep()
        except DatabaseError as error:
            log.warning("the heartbeat could not be written", error=str(error))
            connection.close()
        close_old_connections()

    @staticmethod
    def _register(name: str, worker_id: UUID | None = None) -> UUID:
        worker = Worker(name=name, host=socket.gethostname(), pid=os.getpid())
        if worker_id:
            worker.pk = worker_id
        worker.judges_from = Now() + blind_after()
        worker.save(force_insert=True)
        Worker.objects.filter(last_seen__lt=Now() - FORGOTTEN_AFTER).delete()  # the rows of killed processes
        return worker.pk


_current: WorkerProcess | None = None


def become_worker(
    name: str,
    sweeps: Iterable[Sweep],
    free_threads: Callable[[], int],
    begin: Callable[[Work], None],
) -> WorkerProcess:
    """Makes this process a worker, once."""
    global _current  # noqa: PLW0603 - a process is one worker
    assert _current is None, "this process is a worker already"
    _current = WorkerProcess(name, sweeps, free_threads, begin)
    _current.start()
    return _current


def current_worker_id() -> UUID:
    assert _current is not None, "this process is no worker"
    return _current.id


def take_no_more() -> None:
    """The process is about to end."""
    if _current is not None:
        _current.take_no_more()


def end_worker() -> None:
    """Ends this process's worker, if it ever became one."""
    if _current is not None:
        _current.end()
