"""Worker processes and the leases they hold on rows with work due.

This stands below all apps, for conversations and sandboxes are worked on under the same rule: a row that has
work due is taken by one live worker at a time, and each taking raises the row's fence.
"""

import uuid
from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


def dead_after() -> timedelta:
    """How old a heartbeat may be before its worker counts as dead."""
    return timedelta(seconds=settings.WORKER_DEAD_AFTER)


def heartbeat_every() -> timedelta:
    return dead_after() / 3


def blind_after() -> timedelta:
    """How old a worker's own heartbeat may be before it may not tell the silence of others from that of the database."""
    return 2 * heartbeat_every()


def is_live(worker: str = "") -> models.Q:
    """Whether a worker's heartbeat is young enough, by the database's clock; `worker` is the way to it, as `lease_worker__`."""
    return models.Q(**{f"{worker}last_seen__gt": Now() - dead_after()})


class WorkerQuerySet(models.QuerySet["Worker"]):
    def live(self) -> "WorkerQuerySet":
        return self.filter(is_live())

    def judges(self) -> "WorkerQuerySet":
        """Those who may say of others that they are dead: they live, and were not blind of late; nor are they now, when
        they would not know it yet, but their own heartbeat is two beats old."""
        return self.filter(last_seen__gt=Now() - blind_after(), judges_from__lte=Now())


class Worker(models.Model):
    """One process that does work; its heartbeat is the claim that it lives."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=200)
    host = models.CharField(max_length=200)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField(db_default=Now())
    last_seen = models.DateTimeField(db_default=Now(), db_index=True)
    judges_from = models.DateTimeField(db_default=Now())

    objects = WorkerQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} ({self.host}, pid {self.pid})"

    @staticmethod
    def name_of(queues: Iterable[str]) -> str:
        """The name of a worker that serves these queues."""
        return ", ".join(queues)

    def serves(self, queue: str) -> bool:
        return queue in self.name.split(", ")


class Leased(models.Model):
    """A row that has work due from time to time.

    `due_since` is set in the transaction that makes the work, and cleared by the lease's holder alone, in the
    transaction that gives the lease up. `lease_fence` only grows. A row `reserved_for` a live worker is
    skipped by the sweeps of all others.
    """

    due_since = models.DateTimeField(null=True, blank=True)
    lease_worker = models.ForeignKey(Worker, models.SET_NULL, null=True, blank=True, related_name="+")
    lease_fence = models.PositiveBigIntegerField(default=0)
    lease_taken_at = models.DateTimeField(null=True, blank=True)
    reserved_for = models.ForeignKey(Worker, models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        abstract = True


class Installation(models.Model):
    """The id of the installation that the database belongs to; its one row is written at the first start.

    A server with another id would leave what runs under this one without an owner, so it refuses to start.
    """

    THE_ROW = 1

    id = models.PositiveSmallIntegerField(primary_key=True, default=THE_ROW, editable=False)
    name = models.CharField(max_length=32)
    made_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.name
