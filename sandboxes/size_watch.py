"""The size watch: few drivers limit a folder's size, so a sandbox that has grown too large is stopped."""

import threading

import structlog
from django.conf import settings

from openhands_site.db import release_connection
from sandboxes.errors import SandboxError
from sandboxes.models import Runtime
from sandboxes.reconcile import end_life
from sandboxes.runtime_api import client as runtime_api

log = structlog.get_logger(__name__)
MEGABYTE = 1_000_000
TOO_LARGE = (
    "The sandbox was stopped: its files take {size} MB and SANDBOX_DISK_MB allows {limit}. "
    "Its files are kept; an operator can raise the limit or remove the sandbox."
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


def _look_at_all() -> None:
    runtimes = list(Runtime.objects.answering())
    release_connection()
    for backend in {runtime.backend for runtime in runtimes}:
        try:
            _stop_oversized([runtime for runtime in runtimes if runtime.backend == backend], backend)
        except SandboxError as error:
            log.warning("the size of sandboxes cannot be told", backend=backend, reason=str(error))


def _stop_oversized(runtimes: list[Runtime], backend: str) -> None:
    limit = settings.SANDBOX_DISK_MB
    here = [runtime for runtime in runtimes if runtime_api.is_here(backend=backend, handle=runtime.handle)]
    sizes = runtime_api.disk_bytes(backend=backend, sandbox_ids=[runtime.sandbox_id for runtime in here])
    for runtime in here:
        size = sizes[runtime.sandbox_id] // MEGABYTE
        if limit and size > limit:
            end_life(runtime, TOO_LARGE.format(size=size, limit=limit))
