"""Celery's way to the work on sandboxes. A message is a hint: without work due it does nothing."""

from uuid import UUID

from celery import shared_task

from openhands_site.workers.process import current_worker_id
from sandboxes import leftovers, provisioning, size_watch


@shared_task
def bring(sandbox_id: str) -> None:
    """Brings the sandbox to what is wanted of it."""
    provisioning.bring(UUID(sandbox_id), current_worker_id())


@shared_task
def watch_disk() -> None:
    size_watch.stop_oversized()


@shared_task
def remove_leftovers() -> None:
    leftovers.remove()
