"""Taking a lease on a row with work due: one conditional UPDATE, judged by the database's clock.

Who looks dead may be a victim of a database that was away, with everybody else. So nobody is called dead but by a
worker whose own heartbeat has come through for a while: see `Worker.judges_from` and docs/adr/0004.
"""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar
from uuid import UUID

import structlog
from django.db import DatabaseError, connection, models, transaction
from django.db.models import Exists, F, Q
from django.db.models.functions import Now

from openhands_site.workers.models import Leased, Worker

UNJUDGED_FOR = timedelta(minutes=1)
RETRY_SECONDS = 1.0
log = structlog.get_logger(__name__)
Row = TypeVar("Row", bound=Leased)


def free(worker_id: UUID) -> Q:
    """Rows that `worker_id` may take: nobody holds them or, being another, has them reserved, or whoever does is
    dead in the judgement of `worker_id`."""
    live = Worker.objects.live().values("id")
    may_judge = Exists(Worker.objects.judges().filter(pk=worker_id))
    unheld = Q(lease_worker=None) | (~Q(lease_worker__in=live) & may_judge)
    open_to_me = Q(reserved_for=None) | Q(reserved_for=worker_id) | (~Q(reserved_for__in=live) & may_judge)
    return unheld & open_to_me


def due(rows: "models.QuerySet[Row]", worker_id: UUID) -> "models.QuerySet[Row]":
    """Those of `rows` with work due that `worker_id` may take, the longest waiting first."""
    return rows.filter(free(worker_id), due_since__isnull=False).order_by("due_since")


def take(rows: "models.QuerySet[Row]", pk: UUID, worker_id: UUID) -> int | None:
    """Takes the lease of the row if its work is due and it is free. Returns the new fence, or None."""
    fence = None
    try:
        with transaction.atomic():
            fence = _take(rows.filter(pk=pk), worker_id)
    except DatabaseError:
        if fence is not None:
            # It may have been committed all the same, and nobody would ever give it up.
            mine = rows.filter(pk=pk, lease_worker=worker_id, lease_fence=fence)
            until_written(lambda: mine.update(lease_worker=None))
        raise
    return fence


def _take(row: "models.QuerySet[Row]", worker_id: UUID) -> int | None:
    taken = (
        due(row, worker_id)
        .order_by()
        .update(lease_worker=worker_id, lease_fence=F("lease_fence") + 1, lease_taken_at=Now())
    )
    return int(row.values_list("lease_fence", flat=True).get()) if taken else None


def until_written(write: Callable[[], object]) -> None:
    """Repeats `write` until the database answers: what a living worker holds is nobody else's, so a lease must not be
    kept because the database was away when it was to be given up."""
    while True:
        try:
            write()
        except DatabaseError as error:
            log.warning("a lease cannot be given up yet", error=str(error).strip())
            connection.close()
            time.sleep(RETRY_SECONDS)
        else:
            return


def is_held(row: Leased) -> bool:
    """Whether somebody holds the row who lives or, where no worker is there to judge, may live."""
    if row.lease_worker_id is None:
        return False
    holder = Worker.objects.filter(pk=row.lease_worker_id)
    if Worker.objects.judges().exists():
        return holder.live().exists()
    return holder.filter(last_seen__gt=Now() - UNJUDGED_FOR).exists()
