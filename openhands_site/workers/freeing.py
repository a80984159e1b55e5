"""What workers hold, and freeing it where a worker is dead: a sweep does that by itself when it takes the row over."""

from uuid import UUID

from django.apps import apps
from django.db.models import Exists, F, Q
from django.db.models.functions import Now

from openhands_site.workers.leases import UNJUDGED_FOR
from openhands_site.workers.models import Leased, Worker, WorkerQuerySet


def leased_models() -> list[type[Leased]]:
    """Every kind of row that workers hold."""
    return [model for model in apps.get_models() if issubclass(model, Leased)]


def counted(counts: dict[type[Leased], int]) -> str:
    """`2 conversations and 1 sandbox`, or `nothing`."""
    parts = [
        f"{count} {model._meta.verbose_name if count == 1 else model._meta.verbose_name_plural}"
        for model, count in counts.items()
        if count
    ]
    return " and ".join(parts) or "nothing"


def dead_workers() -> WorkerQuerySet:
    """Those that may be called dead: somebody who can see says so or, where nobody lives who could, they have been
    silent for a minute (docs/adr/0004)."""
    silent = Worker.objects.exclude(pk__in=Worker.objects.live().values("pk"))
    return silent.filter(Exists(Worker.objects.judges()) | Q(last_seen__lte=Now() - UNJUDGED_FOR))


def free_leases(worker_id: UUID) -> dict[type[Leased], int]:
    """Frees what the worker holds if it is dead, and says how many rows of each kind that was. Repeatable.

    The work stays due, and the raised fence keeps the worker out should it wake up.
    """
    dead = dead_workers().filter(pk=worker_id).values("pk")
    return {
        model: model._default_manager.filter(lease_worker__in=dead).update(
            lease_worker=None, lease_fence=F("lease_fence") + 1
        )
        for model in leased_models()
    }
