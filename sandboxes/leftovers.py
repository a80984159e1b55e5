"""What nobody would ever end: helpers of a start whose worker was killed amid it, and what a worker that was frozen made
for a sandbox which was removed meanwhile."""

from collections.abc import Collection
from uuid import UUID

import structlog

from openhands_site.db import release_connection
from openhands_site.workers.models import Installation
from sandboxes.errors import SandboxError
from sandboxes.models import Runtime, Sandbox
from sandboxes.runtime_api import client as runtime_api

log = structlog.get_logger(__name__)


def remove() -> None:
    """Asks every backend in use. Does nothing where one cannot be asked: it will be again.

    What is older than this database may be another's, which may come back.
    """
    since = Installation.objects.values_list("made_at", flat=True).first()
    backends = {runtime_api.backend_name(), *Runtime.objects.values_list("backend", flat=True).distinct()}
    release_connection()
    if since is None:
        return
    for backend in sorted(backends):
        try:
            removed = runtime_api.remove_leftovers(backend=backend, known=_known, since=since)
        except (OSError, SandboxError) as error:
            log.warning("what starts left behind cannot be removed", backend=backend, reason=str(error))
        else:
            if removed:
                log.warning("what starts left behind was removed", backend=backend, removed=removed)


def _known(sandbox_ids: Collection[UUID]) -> set[UUID]:
    """Those that have a row: it is there before anything of a sandbox, and until all of it is gone."""
    known = set(Sandbox.objects.filter(pk__in=sandbox_ids).values_list("pk", flat=True))
    release_connection()
    return known
