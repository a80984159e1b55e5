"""What workers hold, and freeing it where a worker is dead: a sweep does that by itself when it takes the row over."""

from uuid import UUID

from django.apps import apps
from django.db.models import F

from openhands_site.workers.models import Leased, Worker


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


def free_leases(worker_id: UUID) -> dict[type[Leased], int]:
    """Frees what the worker holds unless it lives, and says how many rows of each kind that was. Repeatable.

    The work stays due, and the raised fence keeps the worker out should it wake up.
    """
    return {
        model: model._default_manager.filter(lease_worker=worker_id)
        .exclude(lease_worker__in=Worker.objects.live().values("id"))
        .update(lease_worker=None, lease_fence=F("lease_fence") + 1)
        for model in leased_models()
    }
