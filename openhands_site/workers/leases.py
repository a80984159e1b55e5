"""Taking a lease on a row with work due: one conditional UPDATE, judged by the database's clock."""

from typing import TypeVar
from uuid import UUID

from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from openhands_site.workers.models import Leased, Worker

Row = TypeVar("Row", bound=Leased)


def free(worker_id: UUID | None) -> Q:
    """Rows that `worker_id` may take: no live worker holds them or, being another, has them reserved."""
    live = Worker.objects.live().values("id")
    unheld = Q(lease_worker=None) | ~Q(lease_worker__in=live)
    open_to_me = Q(reserved_for=None) | Q(reserved_for=worker_id) | ~Q(reserved_for__in=live)
    return unheld & open_to_me


def due(rows: "models.QuerySet[Row]", worker_id: UUID) -> "models.QuerySet[Row]":
    """Those of `rows` with work due that `worker_id` may take, the longest waiting first."""
    return rows.filter(free(worker_id), due_since__isnull=False).order_by("due_since")


def take(rows: "models.QuerySet[Row]", pk: UUID, worker_id: UUID) -> int | None:
    """Takes the lease of the row if its work is due and it is free. Returns the new fence, or None."""
    with transaction.atomic():  # a lease that nobody knows the fence of would be kept for ever
        taken = (
            due(rows.filter(pk=pk), worker_id)
            .order_by()
            .update(lease_worker=worker_id, lease_fence=F("lease_fence") + 1, lease_taken_at=Now())
        )
        if not taken:
            return None
        return int(rows.filter(pk=pk, lease_worker=worker_id).values_list("lease_fence", flat=True).get())
