"""Finding conversations with work due that no hint reached."""

from uuid import UUID

from conversations.models import Conversation
from openhands_site import hints
from openhands_site.workers import leases


def sweep(worker_id: UUID, limit: int) -> None:
    """Enqueues up to `limit` conversations that wait and that nobody holds, the longest waiting first."""
    for pk in leases.due(Conversation.objects.all(), worker_id).values_list("pk", flat=True)[:limit]:
        hints.enqueue("conversations.tasks.run_agent", str(pk))
