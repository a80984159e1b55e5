"""What may be asked of sandboxes: one function per intention. They trust their caller to have authorised it.

The observer is told before the row is written, so locks are taken in one order everywhere: what uses a sandbox, then
the sandbox.
"""

from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from accounts.models import User
from openhands_site import hints
from openhands_site.db import release_connection
from sandboxes import images, reconcile
from sandboxes.client import Reachable
from sandboxes.errors import SandboxError
from sandboxes.holding import TASK
from sandboxes.models import Runtime, Sandbox
from sandboxes.observers import observer
from sandboxes.runtime_api import client as runtime_api
from sandboxes.states import SandboxState, Wanted

log = structlog.get_logger(__name__)
SILENT = "The sandbox had not answered for {seconds} s and was ended; its files are kept."
# Neither running, nor on the way there, nor to be removed.
_STARTABLE = Q(wanted=Wanted.RUNNING) & ~Q(state=SandboxState.RUNNING) & Q(due_since=None)


def create_sandbox(*, owner: User, image: str = "", reserved_for: UUID | None = None) -> Sandbox:
    """The row; nothing starts before `request_start`. Call it inside the transaction that needs the sandbox."""
    return Sandbox.objects.create(owner=owner, image=image, reserved_for_id=reserved_for)


def nameable_images() -> list[str]:
    """What a user may name as a sandbox's image, as patterns; none where sandboxes have no images."""
    return settings.SANDBOX_IMAGES if settings.SANDBOX_IMAGES and _takes_images() else []


def describe_image_problem(image: str) -> str:
    """Why no new sandbox may have the image, as a sentence that says what is allowed; else an empty text."""
    return images.describe_problem(image, takes_images=not image or _takes_images())


def request_start(*, sandbox_id: UUID) -> None:
    """Has the sandbox started by a worker. Does nothing while it runs or starts, or where it is to be removed."""
    startable = Sandbox.objects.filter(_STARTABLE, pk=sandbox_id)
    if not startable.exists():
        return
    with transaction.atomic():
        observer().phase_reached(sandbox_id, "queued", 0, "")
        if not startable.update(
            state=SandboxState.STARTING,
            wanted=Wanted.RUNNING,
            error="",
            due_since=Now(),
            start_asked_at=timezone.now(),
            updated_at=Now(),
        ):
            transaction.set_rollback(True)  # somebody else asked in between, and told the observer
            return
        _hint(sandbox_id)


def request_removal(*, sandbox_id: UUID) -> None:
    """Has the sandbox removed with its files and, in the end, its row. Repeatable."""
    with transaction.atomic():
        if Sandbox.objects.filter(pk=sandbox_id).update(
            wanted=Wanted.REMOVED, due_since=Now(), updated_at=Now()
        ):
            _hint(sandbox_id)


def reach(*, sandbox_id: UUID) -> Reachable | None:
    """Where the sandbox answers while it is running, else None. One indexed read."""
    runtime = Runtime.objects.answering().filter(sandbox=sandbox_id).first()
    return Reachable(sandbox_id, runtime.url, runtime.key, runtime.boot_id) if runtime else None


def report_unreachable(*, sandbox_id: UUID, boot_id: str) -> bool:
    """The life `boot_id` did not answer. Where it is known to be over, the sandbox is missing from now on; returns
    whether it is known to go on."""
    runtime = Runtime.objects.answering().filter(sandbox=sandbox_id, boot_id=boot_id).first()
    if runtime is None:
        return False
    release_connection()
    try:
        problem = runtime_api.poll(**runtime.address)
    except SandboxError as error:
        log.warning("whether a sandbox is gone cannot be told", sandbox_id=str(sandbox_id), error=str(error))
        return False
    if problem is not None:
        reconcile.record_loss(runtime, problem)
    return problem is None


def end_silent_life(*, sandbox_id: UUID, boot_id: str) -> None:
    """The life `boot_id` is there, and has not answered for SANDBOX_DEAD_AFTER seconds: it is ended, and the sandbox
    missing from now on. Its files stay. Does nothing where the backend cannot end it now."""
    runtime = Runtime.objects.answering().filter(sandbox=sandbox_id, boot_id=boot_id).first()
    if runtime is not None:
        reconcile.end_life(runtime, SILENT.format(seconds=settings.SANDBOX_DEAD_AFTER))


def _takes_images() -> bool:
    return runtime_api.takes_images(backend=runtime_api.backend_name())


def _hint(sandbox_id: UUID) -> None:
    transaction.on_commit(lambda: hints.enqueue(TASK, str(sandbox_id)))
