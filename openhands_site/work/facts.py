"""What an operator reads about the work at hand, in the admin and from `manage.py doctor`. It changes nothing.

Only rows at work are looked at, and no list is longer than LISTED, so it stays quick however much there is.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar
from uuid import UUID

from django.conf import settings
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from conversations import at_work
from conversations.at_work import ActionAtWork
from conversations.models import Conversation
from openhands_site.workers.freeing import dead_workers
from openhands_site.workers.models import Worker
from sandboxes import reconcile
from sandboxes.models import Sandbox
from sandboxes.reconcile import Comparison
from sandboxes.states import Wanted

LISTED = 100
HELD_LISTED = 1_000
DEAD_LISTED = 5
LATE_AFTER = timedelta(seconds=30)
QUEUES: dict[type[Conversation] | type[Sandbox], str] = {
    Conversation: settings.AGENT_QUEUE,
    Sandbox: settings.SANDBOX_QUEUE,
}
T = TypeVar("T")


@dataclass(frozen=True)
class Listed(Generic[T]):
    """The first rows, and how many there are."""

    rows: list[T]
    total: int

    @property
    def more(self) -> int:
        return self.total - len(self.rows)


@dataclass(frozen=True)
class Piece:
    """A conversation or sandbox with work due, or held. `holder` is whoever its lease names, living or silent.

    `waits_since` is null while a live worker holds it. `reserved_for` is a live worker that alone may take it;
    `takers` is how many live ones may.
    """

    row: Conversation | Sandbox
    holder: Worker | None
    is_held: bool
    waits_since: datetime | None
    reserved_for: Worker | None
    takers: int

    @property
    def kind(self) -> str:
        return str(self.row._meta.verbose_name)

    @property
    def label(self) -> str:
        return self.row.title if isinstance(self.row, Conversation) else f"{self.row.pk}"

    @property
    def state(self) -> str:
        if isinstance(self.row, Conversation):
            return self.row.agent_state
        return f"{self.row.state}, to be {self.row.wanted}"

    @property
    def url(self) -> str:
        return reverse(f"admin:{self.row._meta.label_lower.replace('.', '_')}_change", args=[self.row.pk])

    @property
    def taken_by(self) -> str:
        """Who may take it, in a few words."""
        if self.reserved_for:
            return f"{self.reserved_for} alone"
        if not self.takers:
            return f"nobody: no live worker serves the queue {QUEUES[type(self.row)]}"
        return "one live worker" if self.takers == 1 else f"any of {self.takers} live workers"

    @property
    def is_late(self) -> bool:
        return self.waits_since is not None and timezone.now() - self.waits_since > LATE_AFTER


@dataclass(frozen=True)
class WorkerAtWork:
    """`life` is `lives`, `dead`, or `silent`: its heartbeat is old, and nobody is there who may say that it is dead."""

    worker: Worker
    life: str
    holds: list[Piece]


@dataclass(frozen=True)
class Work:
    """`workers` are the live ones, the silent ones that hold something, and the last that fell silent with nothing.

    `ownerless` are sandboxes that no conversation uses and that are not being removed.
    """

    workers: list[WorkerAtWork]
    waiting: Listed[Piece]
    actions: Listed[ActionAtWork]
    left_behind: Listed[Conversation]
    ownerless: Listed[Sandbox]
    comparison: Comparison


def gather() -> Work:
    """The rows at work before the workers: whoever took one meanwhile is then among these."""
    held = [row for model in QUEUES for row in _held(model)]
    waiting = [_listed(_waiting(model).order_by("due_since")) for model in QUEUES]
    live = {worker.pk: worker for worker in Worker.objects.live().order_by("started_at")}
    rows = [_piece(row, live) for some in waiting for row in some.rows]
    rows.sort(key=lambda piece: piece.waits_since or timezone.now())
    return Work(
        workers=_workers(live, [_piece(row, live) for row in held]),
        waiting=Listed(rows, sum(some.total for some in waiting)),
        actions=Listed(*at_work.actions(LISTED)),
        left_behind=_listed(at_work.left_behind()),
        ownerless=_listed(ownerless().select_related("owner").order_by("created_at")),
        comparison=reconcile.compare(),
    )


def ownerless() -> "QuerySet[Sandbox]":
    """One whose removal failed has an error, and nothing is due any more: it is among them."""
    return Sandbox.objects.filter(conversations=None).exclude(wanted=Wanted.REMOVED, due_since__isnull=False)


def _held(model: type[Conversation] | type[Sandbox]) -> Iterable[Conversation | Sandbox]:
    rows: QuerySet[Conversation | Sandbox] = model._default_manager.filter(lease_worker__isnull=False)
    return rows.select_related("lease_worker", "reserved_for").order_by("lease_taken_at")[:HELD_LISTED]


def _waiting(model: type[Conversation] | type[Sandbox]) -> "QuerySet[Conversation | Sandbox]":
    """Work due that no live worker is at."""
    live = Worker.objects.live().values("pk")
    unheld = Q(lease_worker=None) | ~Q(lease_worker__in=live)
    rows: QuerySet[Conversation | Sandbox] = model._default_manager.filter(unheld, due_since__isnull=False)
    return rows.select_related("lease_worker", "reserved_for")


def _listed(rows: "QuerySet[T]") -> Listed[T]:  # type: ignore[type-var]
    first = list(rows[: LISTED + 1])
    return Listed(first[:LISTED], len(first) if len(first) <= LISTED else rows.count())


def _piece(row: Conversation | Sandbox, live: dict[UUID, Worker]) -> Piece:
    holder = row.lease_worker
    is_held = holder is not None and holder.pk in live
    reserved_for = row.reserved_for if row.reserved_for_id in live else None
    serving = [worker for worker in live.values() if worker.serves(QUEUES[type(row)])]
    return Piece(
        row=row,
        holder=holder,
        is_held=is_held,
        waits_since=None if is_held else _waits_since(row),
        reserved_for=reserved_for,
        takers=1 if reserved_for else len(serving),
    )


def _waits_since(row: Conversation | Sandbox) -> datetime | None:
    """Work is due from its beginning on, but while a worker was at it, it did not wait."""
    if row.due_since is None:
        return None
    died = row.lease_worker.last_seen if row.lease_worker else None
    return max(moment for moment in (row.due_since, row.lease_taken_at, died) if moment)


def _workers(live: dict[UUID, Worker], held: list[Piece]) -> list[WorkerAtWork]:
    holders = {piece.holder.pk: piece.holder for piece in held if piece.holder and not piece.is_held}
    others = Worker.objects.exclude(pk__in=[*live, *holders]).order_by("-last_seen")[:DEAD_LISTED]
    dead = set(dead_workers().values_list("pk", flat=True))
    silent = sorted([*holders.values(), *others], key=lambda worker: worker.last_seen, reverse=True)
    return [
        WorkerAtWork(worker, _life(worker, live, dead), [each for each in held if each.holder == worker])
        for worker in [*live.values(), *silent]
    ]


def _life(worker: Worker, live: Container[UUID], dead: Container[UUID]) -> str:
    if worker.pk in live:
        return "lives"
    return "dead" if worker.pk in dead else "silent"
