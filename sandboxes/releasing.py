"""Ending a sandbox for good: nothing of it stays."""

import structlog
from django.db import transaction

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
    """Removes it. Where the backend cannot, the sandbox is in error and waits for a new order.

    Raises BackendSilent where it does not answer."""
    backends = {runtime.backend for runtime in sandbox.runtimes.all()} | {runtime_api.backend_name()}
    release_connection()
    try:
        for backend in backends:
            runtime_api.remove(backend=backend, sandbox_id=sandbox.pk)
    except BackendSilent:
        raise
    except Exception as error:
        log.exception("the sandbox could not be ended")
        return holding.settle(
            Wanted.REMOVED, state=SandboxState.ERROR, error=f"It could not be ended: {error}"
        )
    fault_points.reach("sandbox-ended")
    with transaction.atomic():
        observer().removed(sandbox.pk)
        holding.change(Wanted.REMOVED)
        holding.rows.delete()
    log.info("the sandbox was removed")
    return None
