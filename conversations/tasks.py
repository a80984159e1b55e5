"""Celery's way into the agent loop. A message is a hint: without work due it does nothing."""

from typing import Any
from uuid import UUID

from celery import shared_task, signals

from conversations import removal
from conversations.agent import inbox
from openhands_site.workers import process


@signals.worker_shutting_down.connect
def leave(**_: Any) -> None:
    """The worker is about to end: it begins nothing more, and what it is at stops at the next step boundary."""
    process.take_no_more()
    inbox.reader().shut_down()


@shared_task
def run_agent(conversation_id: str) -> None:
    from conversations.agent.loop import run

    run(UUID(conversation_id), process.current_worker_id())


@shared_task
def remove_files(conversation_id: str) -> None:
    """Removes what a deleted conversation left in the storage."""
    removal.remove(UUID(conversation_id))


def warm_up() -> None:
    """Imports what the first conversation would wait for."""
    import conversations.agent.loop  # noqa: F401
