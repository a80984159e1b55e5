"""Starting a sandbox, in named and timed phases: image (where there are images), create, boot, init, ready."""

import time
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from openhands_site import async_thread, fault_points
from openhands_site.db import release_connection
from sandboxes import choice, client, images, size_watch
from sandboxes.backends.base import SandboxSpec, Started
from sandboxes.errors import BackendSilent, SandboxError, StartFailed, StartRefused, Unreachable
from sandboxes.holding import Holding, NoLongerOursError
from sandboxes.models import Runtime, Sandbox
from sandboxes.observers import observer
from sandboxes.runtime_api import client as runtime_api
from sandboxes.states import SandboxState, Wanted, check_transition

HEALTH_SECONDS = 10
HEALTH_ATTEMPTS, HEALTH_PAUSE_SECONDS = 3, 0.5
UNISOLATED = (
    "Sandboxes of this server are not kept apart from it (isolation: {isolation}), so only operators may start one. "
    "Install bubblewrap where it works and start the server again, or set SANDBOX_ALLOW_UNISOLATED=1 if you trust "
    "every user with all that the server can reach."
)
FILES_ELSEWHERE = (
    "The sandbox's files are in {backend}, though new sandboxes use {today}, and it starts only where they are. "
    "{problem}"
)
DOCKER_REMEDY = "Start the engine, and run `make sandbox-image` if its image is missing."
log = structlog.get_logger(__name__)


def start(holding: Holding, sandbox: Sandbox) -> None:
    """Brings the sandbox to running, or to error with the phase and the reason told.

    A life that still goes on, of a worker that died before it could say so, is taken over.
    Raises NoLongerOursError, with nothing left running that no row tells of, and BackendSilent where the backend does
    not answer yet: up to SANDBOX_START_TIMEOUT a start waits for it.
    """
    _Start(holding, sandbox).run()


def configured_spec(image: str = "") -> SandboxSpec:
    """What the settings allow each sandbox."""
    return SandboxSpec(
        memory_mb=settings.SANDBOX_MEMORY_MB,
        cpus=settings.SANDBOX_CPUS,
        processes=settings.SANDBOX_PROCESSES,
        disk_mb=settings.SANDBOX_DISK_MB,
        image=image,
    )


class _Start:
    def __init__(self, holding: Holding, sandbox: Sandbox) -> None:
        self.holding = holding
        self.sandbox = sandbox
        self.phase = "create"

    def run(self) -> None:
        try:
            runtime = self._living() or self._begin()
            self._check(runtime)
        except (NoLongerOursError, DatabaseError):
            raise
        except StartFailed as error:
            self._fail(error.phase, str(error))
        except BackendSilent as error:
            if self._milliseconds() < settings.SANDBOX_START_TIMEOUT * 1000:
                self._wait(str(error))
                raise
            self._fail(self.phase, str(error))
        except SandboxError as error:
            self._fail(self.phase, str(error))
        except Exception as error:
            log.exception("the backend failed")
            self._fail(self.phase, f"The sandbox's backend failed: {error!r}")
        else:
            self._conclude(runtime)

    def _wait(self, reason: str) -> None:
        """Says once what the start waits for."""
        if self.sandbox.error != reason:
            with transaction.atomic():
                observer().phase_reached(self.sandbox.pk, self.phase, self._milliseconds(), reason)
                self.holding.change(Wanted.RUNNING, error=reason)

    def _living(self) -> Runtime | None:
        runtime = self.sandbox.runtimes.filter(ended_at=None).first()
        release_connection()
        return runtime if runtime and runtime_api.poll(**runtime.address) is None else None

    def _begin(self) -> Runtime:
        backend = self._backend()
        self._admit(backend)
        self._require_room(backend)
        started = runtime_api.start(
            backend=backend,
            sandbox_id=self.sandbox.pk,
            spec=configured_spec(self.sandbox.image),
            progress=self._reach,
        )
        fault_points.reach("sandbox-started")
        try:
            return self._record(backend, started)
        except BaseException:
            runtime_api.stop(backend=backend, sandbox_id=self.sandbox.pk, handle=started.handle, now=True)
            raise

    def _backend(self) -> str:
        """That of its last life, where its files are, whatever new sandboxes use by now; else theirs."""
        last = self.sandbox.runtimes.order_by("-started_at").values_list("backend", flat=True).first()
        release_connection()
        today = runtime_api.backend_name()
        if last in (None, today):
            return today
        try:
            problem = choice.describe_absence(last)
        except BackendSilent as error:
            raise BackendSilent(_files_elsewhere(last, f"{error} {DOCKER_REMEDY}")) from error
        except SandboxError as error:
            raise StartFailed(self.phase, _files_elsewhere(last, str(error))) from error
        if problem:
            raise StartFailed(self.phase, _files_elsewhere(last, problem))
        return last

    def _admit(self, backend: str) -> None:
        """Raises StartRefused where this sandbox may not start on the backend."""
        owner, image = self.sandbox.owner, self.sandbox.image
        if not (
            owner.is_staff or settings.SANDBOX_ALLOW_UNISOLATED or runtime_api.is_contained(backend=backend)
        ):
            isolation = runtime_api.isolation(backend=backend)
            raise StartRefused(self.phase, UNISOLATED.format(isolation=isolation))
        takes_images = runtime_api.takes_images(backend=backend)
        if problem := images.describe_problem(image, takes_images=takes_images):
            raise StartRefused(self.phase, problem)

    def _require_room(self, backend: str) -> None:
        """What was stopped for its size is counted again: the limit may be another by now."""
        if not self.sandbox.is_oversized:
            return
        release_connection()
        if excess := size_watch.describe_excess(backend=backend, sandbox_id=self.sandbox.pk):
            raise StartFailed(self.phase, excess)
        self.holding.change(Wanted.RUNNING, is_oversized=False)

    def _reach(self, phase: str, detail: str) -> None:
        self.phase = phase
        with transaction.atomic():
            observer().phase_reached(self.sandbox.pk, phase, self._milliseconds(), detail)
            self.holding.change(Wanted.RUNNING)
        release_connection()

    def _record(self, backend: str, started: Started) -> Runtime:
        self.phase = "init"
        with transaction.atomic():
            observer().phase_reached(self.sandbox.pk, self.phase, self._milliseconds(), started.isolation)
            self.holding.change(Wanted.RUNNING)
            self._end_runtimes()
            return Runtime.objects.create(
                sandbox=self.sandbox,
                backend=backend,
                isolation=started.isolation,
                url=started.url,
                key=started.key,
                boot_id=started.boot_id,
                handle=started.handle,
            )

    def _check(self, runtime: Runtime) -> None:
        """A real round trip: nothing is called ready that has not answered.

        It is asked more than once as long as it lives: who is frozen while it waits finds that it has waited too long,
        and has not listened.
        """
        self.phase = "init"
        fault_points.reach("sandbox-recorded")
        reachable = client.Reachable(self.sandbox.pk, runtime.url, runtime.key, runtime.boot_id)
        release_connection()
        for _ in range(HEALTH_ATTEMPTS):
            problem = _health_problem(reachable)
            if not problem:
                return
            if runtime_api.poll(**runtime.address) is not None:
                break
            time.sleep(HEALTH_PAUSE_SECONDS)
        tail = runtime_api.logs(backend=runtime.backend, sandbox_id=self.sandbox.pk)
        runtime_api.stop(**runtime.address, now=True)
        raise StartFailed(self.phase, f"{problem}\n{tail}".strip())

    def _conclude(self, runtime: Runtime) -> None:
        milliseconds = self._milliseconds()
        with transaction.atomic():
            observer().ready(self.sandbox.pk, runtime.boot_id, milliseconds)
            self._settle(state=SandboxState.RUNNING, error="")
        fault_points.reach("sandbox-ready")
        log.info("the sandbox is ready", milliseconds=milliseconds, isolation=runtime.isolation)

    def _fail(self, phase: str, message: str) -> None:
        message = message.replace("\0", "\ufffd")  # of a log; PostgreSQL takes none
        with transaction.atomic():
            observer().failed(self.sandbox.pk, phase, self._milliseconds(), message)
            self._settle(state=SandboxState.ERROR, error=message)
            self._end_runtimes()
        log.warning("the sandbox could not be started", phase=phase, reason=message)

    def _settle(self, *, state: SandboxState, **fields: Any) -> None:
        check_transition(self.sandbox.state, state)
        self.holding.settle(Wanted.RUNNING, state=state, **fields)

    def _end_runtimes(self) -> None:
        self.sandbox.runtimes.filter(ended_at=None).update(ended_at=Now())

    def _milliseconds(self) -> int:
        passed = timezone.now() - self.sandbox.start_asked_at
        return max(0, round(passed.total_seconds() * 1000))


def _files_elsewhere(backend: str, problem: str) -> str:
    return FILES_ELSEWHERE.format(backend=backend, today=runtime_api.backend_name(), problem=problem)


def _health_problem(reachable: client.Reachable) -> str:
    """Why what answers there is not the life that was started; else an empty text."""
    try:
        health = async_thread.run(client.health(reachable)).result(HEALTH_SECONDS)
    except (Unreachable, TimeoutError) as error:
        return f"The action server was started but does not answer. {error}"
    if health.boot_id != reachable.boot_id:
        return "Another action server answers than the one that was started."
    return ""
