"""The site's own tasks."""

from celery import shared_task

from openhands_site import redis_client

ANSWER_SECONDS = 60


@shared_task
def answer(key: str) -> None:
    """Writes the key in Redis: somebody wants to know whether a worker hears."""
    redis_client.connect().set(key, "heard", ex=ANSWER_SECONDS)
