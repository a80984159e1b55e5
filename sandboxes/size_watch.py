"""The size watch: few drivers limit a folder's size, so a sandbox that has grown too large is stopped, and does not start
again before it has room."""

import threading
from uuid import UUID

import structlog
from django.conf import settings

from openhands_site.db import release_connection
from sandboxes.errors import SandboxError
from sandboxes.models import Runtime, Sandbox
from sandboxes.reconcile import end_life
from sandboxes.runtime_api import client as runtime_api

log = structlog.get_logger(__name__)
MEGABYTE = 1_000_000
TOO_LARGE = (
    "The sandbox's files take {size} MB and SANDBOX_DISK_MB allows {limit}, so it was stopped and does not start again. "
    "They are kept. Ask an operator to raise the limit, or to remove the sandbox with its files: a message then goes on "
    "with an empty one. Without them, begin another conversation."
)
_one_at_a_time = threading.Lock()


def stop_oversized() -> None:
    """Stops every running sandbox of this machine whose files take more than SANDBOX_DISK_MB.

    Does nothing while it is at it already: an engine with much on its disk may count for longer than a minute, and
    those who wait for it would be the threads that start sandboxes.
    """
    if not _one_at_a_time.acquire(blocking=False):
        return
    try:
        _look_at_all()
    finally:
        _one_at_a_time.release()


def describe_excess(*, backend: str, sandbox_id: UUID) -> str:
    """Why the sandbox may not start with so many files, as a sentence; else an empty text. May take a minute, so it is
    to be asked of those alone that were found oversized before. Raises SandboxError where nobody can tell."""
    return _describe_excess(runtime_api.disk_bytes(backend=backend, sandbox_ids=[sandbox_id])[sandbox_id])


def _describe_excess(size: int) -> str:
    limit = settings.SANDBOX_DISK_MB
    is_too_large = limit and size // MEGABYTE > limit
    return TOO_LARGE.format(size=size // MEGABYTE, limit=limit) if is_too_large else ""


def _look_at_all() -> None:
    runtimes = list(Runtime.objects.answering())
    release_connection()
    for backend in {runtime.backend for runtime in runtimes}:
        try:
            _stop_oversized([runtime for runtime in runtimes if runtime.backend == backend], backend)
        except SandboxError as error:
            log.warning("the size of sandboxes cannot be told", backend=backend, reason=str(error))


def _stop_oversized(runtimes: list[Runtime], backend: str) -> None:
    here = [runtime for runtime in runtimes if runtime_api.is_here(backend=backend, handle=runtime.handle)]
    sizes = runtime_api.disk_bytes(backend=backend, sandbox_ids=[runtime.sandbox_id for runtime in here])
    for runtime in here:
        if problem := _describe_excess(sizes[runtime.sandbox_id]):
            # Before the life ends: who asks for the next start must find it.
            Sandbox.objects.filter(pk=runtime.sandbox_id).update(is_oversized=True)
            end_life(runtime, problem)
