"""Finding conversations with work due that no hint reached."""

from collections.abc import Iterator
from uuid import UUID

from conversations.models import Conversation
from openhands_site.workers import leases


def sweep(worker_id: UUID, limit: int) -> Iterator[tuple[str, ...]]:
    """A `workers.process.Sweep`."""
    for pk in leases.due(Conversation.objects.all(), worker_id).values_list("pk", flat=True)[:limit]:
        yield "conversations.tasks.run_agent", str(pk)
