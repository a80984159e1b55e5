"""Finding sandboxes with work due that no hint reached, and looking after the size of those that run."""

import time
from collections.abc import Iterator
from uuid import UUID

from django.conf import settings

from openhands_site.workers import leases
from sandboxes.holding import TASK
from sandboxes.models import Sandbox

DISK_WATCH_SECONDS = 60
_last_watch = 0.0


def sweep(worker_id: UUID, limit: int) -> Iterator[tuple[str, ...]]:
    """A `workers.process.Sweep`."""
    due = leases.due(Sandbox.objects.all(), worker_id)
    for pk in due.values_list("pk", flat=True)[:limit]:
        yield TASK, str(pk)
    if _disk_watch_is_due():
        yield ("sandboxes.tasks.watch_disk",)


def _disk_watch_is_due() -> bool:
    global _last_watch  # noqa: PLW0603 - each worker process asks once a minute
    now = time.monotonic()
    if not settings.SANDBOX_DISK_MB or now - _last_watch < DISK_WATCH_SECONDS:
        return False
    _last_watch = now
    return True
