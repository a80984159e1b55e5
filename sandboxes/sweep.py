"""Finding sandboxes with work due that no hint reached, and looking after the size of those that run."""

import time
from uuid import UUID

from django.conf import settings

from openhands_site import hints
from openhands_site.workers import leases
from sandboxes.holding import TASKS
from sandboxes.models import Sandbox
from sandboxes.states import Wanted

DISK_WATCH_SECONDS = 60
_last_watch = 0.0


def sweep(worker_id: UUID, limit: int) -> None:
    """Enqueues up to `limit` sandboxes that wait and that nobody holds, the longest waiting first."""
    due = leases.due(Sandbox.objects.all(), worker_id)
    for pk, wanted in due.values_list("pk", "wanted")[:limit]:
        hints.enqueue(TASKS[Wanted(wanted)], str(pk))
    _watch_disk()


def _watch_disk() -> None:
    global _last_watch  # noqa: PLW0603 - each worker process asks once a minute
    now = time.monotonic()
    if settings.SANDBOX_DISK_MB and now - _last_watch >= DISK_WATCH_SECONDS:
        _last_watch = now
        hints.enqueue("sandboxes.tasks.watch_disk")
