"""Finding sandboxes with work due that no hint reached, and looking after the size of those that run and after what
starts left behind."""

from collections.abc import Iterator
from uuid import UUID

from django.conf import settings

from openhands_site.workers import leases
from openhands_site.workers.rhythm import Rhythm
from sandboxes.holding import TASK
from sandboxes.models import Sandbox

_disk_watch = Rhythm(60)
_leftovers = Rhythm(600)  # the first time when the worker has just started


def sweep(worker_id: UUID, limit: int) -> Iterator[tuple[str, ...]]:
    """A `workers.process.Sweep`."""
    due = leases.due(Sandbox.objects.all(), worker_id)
    for pk in due.values_list("pk", flat=True)[:limit]:
        yield TASK, str(pk)
    if settings.SANDBOX_DISK_MB and _disk_watch.is_due():
        yield ("sandboxes.tasks.watch_disk",)
    if _leftovers.is_due():
        yield ("sandboxes.tasks.remove_leftovers",)
