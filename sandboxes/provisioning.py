"""Bringing a sandbox to what is wanted of it. Run by workers, under the row's lease.

Each step is a transaction that tells the observer first and then writes the row on condition that the lease is still
ours and the order still stands. So whoever watches and the row agree, and locks are taken in one order everywhere: what
uses a sandbox, then the sandbox.
"""

import time
from uuid import UUID

import structlog
from django.db import DatabaseError, connection
from structlog.contextvars import bound_contextvars

from openhands_site import fault_points
from openhands_site.workers import leases
from sandboxes import releasing, starting
from sandboxes.errors import BackendSilent
from sandboxes.holding import Holding, NoLongerOursError
from sandboxes.models import Sandbox
from sandboxes.states import Wanted

RETRY_SECONDS = 2
log = structlog.get_logger(__name__)


def bring(sandbox_id: UUID, worker_id: UUID) -> None:
    """Starts or removes the sandbox, as is wanted by now, if that is due and nobody else is at it."""
    holding = Holding.take(sandbox_id, worker_id)
    if holding is None:
        return
    fault_points.reach("sandbox-lease-taken")
    with bound_contextvars(sandbox_id=str(sandbox_id)):
        try:
            sandbox = Sandbox.objects.select_related("owner").get(pk=sandbox_id)
            work = starting.start if sandbox.wanted == Wanted.RUNNING else releasing.release
            with bound_contextvars(user_id=str(sandbox.owner_id)):
                work(holding, sandbox)
        except (NoLongerOursError, Sandbox.DoesNotExist):
            log.info("the sandbox is no longer ours")
        except BackendSilent as error:
            log.warning("a sandbox waits for its backend", reason=str(error))
            time.sleep(RETRY_SECONDS)
        except DatabaseError:
            log.exception("the database failed while a sandbox was worked on")
            connection.close()
            time.sleep(RETRY_SECONDS)
        except Exception:
            time.sleep(RETRY_SECONDS)  # it is tried again, and no defect of ours may keep a processor busy
            raise
        finally:
            leases.until_written(holding.give_back)
