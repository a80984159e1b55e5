"""Rows say what should be; this compares them with what runs, in both directions."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import structlog
from django.db import transaction
from django.db.models.functions import Now

from openhands_site.db import release_connection
from sandboxes.backends.base import Life
from sandboxes.models import Runtime, Sandbox
from sandboxes.observers import observer
from sandboxes.runtime_api import client as runtime_api
from sandboxes.states import SandboxState

STOPS_AT_ONCE = 8
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Adoption:
    """How many lives were kept, how many ended because no row wants them, and how many rows had lost theirs."""

    kept: int
    ended: int
    lost: int


def adopt() -> Adoption:
    """At the server's start, before its workers: keeps what a running sandbox's row still wants, ends the rest, and
    marks the sandboxes of this machine as missing whose life is over."""
    backend = runtime_api.backend_name()
    wanted = {
        runtime.sandbox_id: runtime
        for runtime in Runtime.objects.answering().filter(backend=backend)
        if runtime_api.is_here(backend=backend, handle=runtime.handle)
    }
    lives = list(runtime_api.lives(backend=backend))
    kept = [life.sandbox_id for life in lives if _is_same(life, wanted.get(life.sandbox_id))]
    unwanted = [life for life in lives if life.sandbox_id not in kept]
    _stop(backend, unwanted)
    lost = [runtime for sandbox_id, runtime in wanted.items() if sandbox_id not in kept]
    for runtime in lost:
        record_loss(runtime, "The sandbox's processes ended while the server was away.")
    return Adoption(len(kept), len(unwanted), len(lost))


def end_all() -> int:
    """At the server's stop, after its workers: ends every life here; the files stay, and the next message starts a
    new life. Returns how many were ended."""
    backend = runtime_api.backend_name()
    lives = list(runtime_api.lives(backend=backend))
    _stop(backend, lives)
    ended = {life.sandbox_id for life in lives}
    for runtime in Runtime.objects.answering().filter(backend=backend, sandbox__in=ended):
        record_loss(runtime, "The server was stopped.")
    return len(lives)


def record_loss(runtime: Runtime, message: str) -> None:
    """The runtime's life is over, and with it the sandbox missing. Does nothing where that is known already."""
    with transaction.atomic():
        observer().lost(runtime.sandbox_id, message)
        sandbox = Sandbox.objects.filter(pk=runtime.sandbox_id)
        sandbox.select_for_update().first()  # everybody locks it before its runtime
        if not Runtime.objects.filter(pk=runtime.pk, ended_at=None).update(ended_at=Now()):
            transaction.set_rollback(True)
            return
        sandbox.filter(state=SandboxState.RUNNING).update(
            state=SandboxState.MISSING, error=message, updated_at=Now()
        )
    log.warning("a sandbox is gone", sandbox_id=str(runtime.sandbox_id), reason=message)


def _is_same(life: Life, runtime: Runtime | None) -> bool:
    """The handle of a life that is still booting has no boot id, and no row."""
    return runtime is not None and life.handle == runtime.handle


def _stop(backend: str, lives: Iterable[Life]) -> None:
    """Several at once: each may take seconds to end its commands."""
    release_connection()
    with ThreadPoolExecutor(STOPS_AT_ONCE) as threads:
        stop = partial(runtime_api.stop, backend=backend)
        ends = {
            life.sandbox_id: threads.submit(stop, sandbox_id=life.sandbox_id, handle=life.handle)
            for life in lives
        }
    for sandbox_id, end in ends.items():
        if isinstance(error := end.exception(), OSError):
            log.error("a sandbox could not be ended", sandbox_id=str(sandbox_id), error=str(error))
        elif error:
            raise error
