"""Ending a sandbox: stopped, its files stay; removed, nothing does."""

import structlog
from django.db import transaction
from django.db.models.functions import Now

from openhands_site import fault_points
from openhands_site.db import release_connection
from sandboxes.errors import BackendSilent
from sandboxes.holding import Holding
from sandboxes.models import Sandbox
from sandboxes.observers import observer
from sandboxes.runtime_api import client as runtime_api
from sandboxes.states import SandboxState, Wanted

log = structlog.get_logger(__name__)


def release(holding: Holding, sandbox: Sandbox) -> None:
    """Does what is wanted. Where the backend cannot, the sandbox is in error and waits for a new order.

    Raises BackendSilent where it does not answer."""
    runtimes = list(sandbox.runtimes.all())
    release_connection()
    try:
        if sandbox.wanted == Wanted.REMOVED:
            for backend in {runtime.backend for runtime in runtimes} | {runtime_api.backend_name()}:
                runtime_api.remove(backend=backend, sandbox_id=sandbox.pk)
        else:
            for runtime in runtimes:
                if runtime.ended_at is None:
                    runtime_api.stop(**runtime.address)
    except BackendSilent:
        raise
    except Exception as error:
        log.exception("the sandbox could not be ended")
        return holding.settle(
            sandbox.wanted, state=SandboxState.ERROR, error=f"It could not be ended: {error}"
        )
    fault_points.reach("sandbox-ended")
    _record(holding, sandbox)
    log.info("the sandbox was ended", wanted=sandbox.wanted)
    return None


def _record(holding: Holding, sandbox: Sandbox) -> None:
    with transaction.atomic():
        if sandbox.wanted == Wanted.REMOVED:
            observer().removed(sandbox.pk)
            holding.change(Wanted.REMOVED)
            holding.rows.delete()
        else:
            holding.settle(Wanted.STOPPED, state=SandboxState.MISSING)
            sandbox.runtimes.filter(ended_at=None).update(ended_at=Now())
