"""Rows say what should be; this compares them with what runs, in both directions."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from openhands_site.db import release_connection
from openhands_site.workers import leases
from sandboxes.backends.base import Life
from sandboxes.errors import SandboxError
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


@dataclass(frozen=True)
class Stray:
    """A life of this machine that no row tells of."""

    backend: str
    life: Life


@dataclass(frozen=True)
class Loss:
    """A row that says running, and how its life ended."""

    runtime: Runtime
    problem: str


@dataclass(frozen=True)
class Comparison:
    """`problem` says why a backend could not be asked."""

    strays: list[Stray]
    losses: list[Loss]
    problem: str = ""


def compare() -> Comparison:
    """Rows and lives beside each other while workers are at it: what is being started or removed counts as
    neither. Changes nothing."""
    strays: list[Stray] = []
    losses: list[Loss] = []
    problems = []
    for backend in _backends():
        try:
            lives = list(runtime_api.lives(backend=backend))
            strays += _strays(backend, lives)
            losses += _losses(backend, lives)
        except (OSError, LookupError, SandboxError) as error:
            problems.append(f"The backend {backend} could not be asked: {error!r}.")
    return Comparison(strays, losses, " ".join(problems))


def end_stray(sandbox_id: UUID) -> bool:
    """Ends the lives of the sandbox that no row tells of; the files stay. Returns whether there was one.

    Raises OSError where its processes cannot be ended, and SandboxError where nobody can be asked.
    """
    found = [stray for stray in compare().strays if stray.life.sandbox_id == sandbox_id]
    release_connection()
    for stray in found:
        runtime_api.stop(backend=stray.backend, sandbox_id=sandbox_id, handle=stray.life.handle)
    return bool(found)


def adopt() -> Adoption:
    """At the server's start, before its workers: keeps what a running sandbox's row still wants, leaves alone what a
    living worker is at, ends the rest, and marks the sandboxes of this machine as missing whose life is over."""
    adoptions = [_adopt(backend) for backend in _backends()]
    return Adoption(
        sum(adoption.kept for adoption in adoptions),
        sum(adoption.ended for adoption in adoptions),
        sum(adoption.lost for adoption in adoptions),
    )


def _adopt(backend: str) -> Adoption:
    try:
        wanted = {
            runtime.sandbox_id: runtime
            for runtime in Runtime.objects.answering().filter(backend=backend)
            if runtime_api.is_here(backend=backend, handle=runtime.handle)
        }
        lives = list(runtime_api.lives(backend=backend))
    except SandboxError as error:
        log.error("sandboxes cannot be looked for", backend=backend, error=str(error))
        return Adoption(0, 0, 0)
    kept = [life.sandbox_id for life in lives if _is_same(life, wanted.get(life.sandbox_id))]
    in_hand = _in_hand(lives)
    unwanted = [life for life in lives if life.sandbox_id not in {*kept, *in_hand}]
    _stop(backend, unwanted)
    lost = [runtime for sandbox_id, runtime in wanted.items() if sandbox_id not in kept]
    for runtime in lost:
        record_loss(runtime, "The sandbox's processes ended while the server was away.")
    return Adoption(len(kept), len(unwanted), len(lost))


def _in_hand(lives: list[Life]) -> set[UUID]:
    """The sandboxes that a worker is just starting or removing: a `run_task` needs no server to be there. Read after
    the lives, for a lease is taken before anything lives."""
    rows = Sandbox.objects.filter(
        pk__in=[life.sandbox_id for life in lives], lease_worker__isnull=False, due_since__isnull=False
    )
    return {row.pk for row in rows if leases.is_held(row)}


def end_all() -> int:
    """At the server's stop, after its workers: ends every life here; the files stay, and the next message starts a
    new life. Returns how many were ended."""
    return sum(_end_all(backend) for backend in _backends())


def _end_all(backend: str) -> int:
    try:
        lives = list(runtime_api.lives(backend=backend))
    except SandboxError as error:
        log.error("sandboxes cannot be looked for", backend=backend, error=str(error))
        return 0
    _stop(backend, lives)
    ended = {life.sandbox_id for life in lives}
    for runtime in Runtime.objects.answering().filter(backend=backend, sandbox__in=ended):
        record_loss(runtime, "The server was stopped.")
    return len(lives)


def _backends() -> list[str]:
    """That of new sandboxes, and those on which some run, or are being started or removed, whose files are there."""
    in_use = Q(ended_at=None) | Q(sandbox__due_since__isnull=False)
    others = Runtime.objects.filter(in_use).values_list("backend", flat=True).distinct()
    return sorted({runtime_api.backend_name(), *others})


def end_life(runtime: Runtime, reason: str) -> None:
    """Ends the life at once and records its loss; the files stay. Does nothing where the backend cannot end it now."""
    release_connection()
    try:
        runtime_api.stop(**runtime.address, now=True)
    except (OSError, SandboxError) as error:
        log.warning(
            "a sandbox cannot be ended", sandbox_id=str(runtime.sandbox_id), reason=reason, error=str(error)
        )
        return
    record_loss(runtime, reason)


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


def _strays(backend: str, lives: list[Life]) -> Iterator[Stray]:
    """The rows are read after the lives: what is being started has its row before it lives."""
    ids = [life.sandbox_id for life in lives]
    in_transition = set(
        Sandbox.objects.filter(pk__in=ids, due_since__isnull=False).values_list("pk", flat=True)
    )
    runtimes = Runtime.objects.filter(sandbox__in=ids, backend=backend, ended_at=None).defer("key")
    told = {runtime.sandbox_id: runtime for runtime in runtimes}
    for life in lives:
        if life.sandbox_id in in_transition or _is_same(life, told.get(life.sandbox_id)):
            continue
        # What has just been removed was in the list, and is neither row nor life by now.
        if runtime_api.poll(backend=backend, sandbox_id=life.sandbox_id, handle=life.handle) is None:
            yield Stray(backend, life)


def _losses(backend: str, lives: list[Life]) -> Iterator[Loss]:
    living = {life.sandbox_id: life for life in lives}
    at_rest = Runtime.objects.answering().filter(backend=backend, sandbox__due_since=None)
    for runtime in at_rest.select_related("sandbox__owner").defer("key"):
        is_elsewhere = not runtime_api.is_here(backend=backend, handle=runtime.handle)
        life = living.get(runtime.sandbox_id)
        if is_elsewhere or (life and _is_same(life, runtime)):
            continue
        if problem := runtime_api.poll(**runtime.address):  # it may have been started after the list was made
            yield Loss(runtime, problem)


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
        if isinstance(error := end.exception(), (OSError, SandboxError)):
            log.error("a sandbox could not be ended", sandbox_id=str(sandbox_id), error=str(error))
        elif error:
            raise error
