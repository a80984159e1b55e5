"""Celery's way into the agent loop. A message is a hint: without work due it does nothing."""

from uuid import UUID

from celery import shared_task

from conversations import removal
from openhands_site.workers.process import current_worker_id


@shared_task
def run_agent(conversation_id: str) -> None:
    from conversations.agent.loop import run

    run(UUID(conversation_id), current_worker_id())


@shared_task
def remove_files(conversation_id: str) -> None:
    """Removes what a deleted conversation left in the storage."""
    removal.remove(UUID(conversation_id))


def warm_up() -> None:
    """Imports what the first conversation would wait for."""
    import conversations.agent.loop  # noqa: F401
