"""What `manage.py doctor` asks: each question answers with a sentence, or raises Problem with the remedy."""

import shutil
import time
import uuid
from collections.abc import Callable

from django.conf import settings
from django.db import DatabaseError
from redis.exceptions import RedisError

from conversations.llm import registry
from conversations.llm.base import ModelChoice, Request
from conversations.llm.errors import LLMError
from openhands_site import async_thread, checks, health, redis_client
from openhands_site.celery import app
from openhands_site.disk import ROOM_BYTES
from sandboxes.doctor import check_backend, describe_others
from sandboxes.errors import SandboxError

WORKER_SECONDS = 10
MODEL_SECONDS = 90


class Problem(Exception):
    """What is wrong, as a sentence that ends in the remedy."""


def database() -> str:
    vendor = settings.DATABASES["default"]["ENGINE"].rpartition(".")[2]
    try:
        due = health.pending_migrations()
        other = checks.belongs_to_another()
    except DatabaseError as error:
        raise Problem(f"It does not answer ({str(error).strip()}); check DATABASE_URL.") from error
    if other:
        raise Problem(
            f"It belongs to the installation {other}; set OPENHANDS_HOME or DATABASE_URL accordingly."
        )
    if due:
        raise Problem(f"{due} migrations are due; run `manage.py migrate` (`make run` does it).")
    return f"{vendor} answers, and every migration is applied."


def disk() -> str:
    free = shutil.disk_usage(settings.OPENHANDS_HOME).free
    sentence = f"{free / 2**30:.1f} GB are free where {settings.OPENHANDS_HOME} is"
    if free < ROOM_BYTES:
        raise Problem(f"{sentence}: too little. Make room; what was due goes on by itself.")
    return f"{sentence}."


def redis() -> str:
    try:
        with redis_client.connect() as client:
            version = client.info("server")["redis_version"]
    except RedisError as error:
        remedy = "`make run` starts it" if settings.REDIS_IS_PRIVATE else "check REDIS_URL"
        raise Problem(f"It does not answer ({error}); {remedy}.") from error
    return f"{'The private' if settings.REDIS_IS_PRIVATE else 'The configured'} Redis {version} answers."


def workers() -> str:
    """A message to each queue, whose answer comes through Redis."""
    begun = time.monotonic()
    queues = [queue for served in settings.WORKER_QUEUES.values() for queue in served]
    keys = {queue: f"{settings.REDIS_PREFIX}doctor:{uuid.uuid4()}" for queue in queues}
    try:
        with redis_client.connect() as client:
            client.ping()
            for queue, key in keys.items():
                send(queue, key)
            waiting = set(keys)
            while waiting and time.monotonic() < begun + WORKER_SECONDS:
                waiting -= {queue for queue in waiting if client.getdel(keys[queue])}
                time.sleep(0.02)
    except RedisError as error:
        raise Problem("Without Redis no message reaches them; see above.") from error
    if waiting:
        raise Problem(
            f"Nobody serves the queue {', '.join(sorted(waiting))}; `make run` starts the workers, "
            "and a worker that is busy answers later."
        )
    return f"Every queue was answered within {(time.monotonic() - begun) * 1000:.0f} ms."


def send(queue: str, key: str) -> None:
    app.send_task("openhands_site.tasks.answer", args=[key], queue=queue, retry=False)


def sandboxes() -> str:
    try:
        checked = check_backend()
    except SandboxError as error:
        raise Problem(str(error)) from error
    try:
        return f"{checked} {describe_others()}".strip()
    except DatabaseError:
        return checked  # that it is away is an answer of its own


def model() -> str:
    """The server's model, asked for one word; a stand-in is not asked."""
    if registry.is_stand_in(settings.LLM_MODEL):
        return f"{settings.LLM_MODEL} is a stand-in; set LLM_MODEL and LLM_API_KEY to connect a real one."
    choice = ModelChoice(settings.LLM_MODEL, settings.LLM_API_KEY, settings.LLM_BASE_URL)
    request = Request([{"role": "user", "content": "Say hello in one word."}], [])
    try:
        called = registry.create(choice).complete(request, on_delta=lambda delta: None)
        reply = async_thread.run(called).result(MODEL_SECONDS)
    except LLMError as error:
        raise Problem(
            f"{settings.LLM_MODEL}: {error} Check LLM_MODEL, LLM_API_KEY and LLM_BASE_URL."
        ) from error
    except TimeoutError as error:
        raise Problem(
            f"{settings.LLM_MODEL} did not answer within {MODEL_SECONDS} s; check LLM_BASE_URL."
        ) from error
    return f"{settings.LLM_MODEL} answered within {reply.latency_ms} ms."


QUESTIONS: dict[str, Callable[[], str]] = {
    "database": database,
    "disk": disk,
    "redis": redis,
    "workers": workers,
    "sandboxes": sandboxes,
    "model": model,
}
