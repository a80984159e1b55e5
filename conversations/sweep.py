"""Finding work that no hint reached: conversations that are due, and files of deleted ones that are still there."""

from collections.abc import Iterator
from uuid import UUID

from conversations import removal, timeline
from conversations.models import Conversation, FileRemoval
from openhands_site.workers import leases
from openhands_site.workers.rhythm import Rhythm

_removals = Rhythm(60)


def sweep(worker_id: UUID, limit: int) -> Iterator[tuple[str, ...]]:
    """A `workers.process.Sweep`."""
    for pk in leases.due(Conversation.objects.all(), worker_id).values_list("pk", flat=True)[:limit]:
        yield timeline.TASK, str(pk)


def sweep_removals(worker_id: UUID, limit: int) -> Iterator[tuple[str, ...]]:
    """Another: once a minute, for nobody waits, and what the storage refuses is not refused every 2 s."""
    if not _removals.is_due():
        return
    for removal_due in FileRemoval.objects.order_by("created_at")[:limit]:
        yield removal.TASK, str(removal_due.conversation_id)
