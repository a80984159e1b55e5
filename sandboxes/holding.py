"""A lease on a sandbox, held: every write under it is conditional on the fence and on the order that it carries out."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Now

from openhands_site import hints
from openhands_site.workers import leases
from sandboxes.models import Sandbox

TASK = "sandboxes.tasks.bring"


class NoLongerOursError(Exception):
    """The lease went to another worker, or something else is wanted by now."""


class Holding:
    def __init__(self, sandbox_id: UUID, worker_id: UUID, fence: int) -> None:
        self.sandbox_id = sandbox_id
        self._worker_id = worker_id
        self._fence = fence

    @classmethod
    def take(cls, sandbox_id: UUID, worker_id: UUID) -> "Holding | None":
        """The lease, if work is due and nobody holds it."""
        fence = leases.take(Sandbox.objects.all(), sandbox_id, worker_id)
        return None if fence is None else cls(sandbox_id, worker_id, fence)

    @property
    def rows(self) -> QuerySet[Sandbox]:
        return Sandbox.objects.filter(
            pk=self.sandbox_id, lease_worker=self._worker_id, lease_fence=self._fence
        )

    def change(self, wanted: str, **fields: Any) -> None:
        """Writes the row, and with no fields only locks it. Raises NoLongerOursError, which undoes the transaction."""
        if not self.rows.filter(wanted=wanted).update(updated_at=Now(), **fields):
            raise NoLongerOursError

    def settle(self, wanted: str, **fields: Any) -> None:
        """The same, and what was due is done: the lease is given up."""
        self.change(wanted, due_since=None, lease_worker=None, **fields)

    def give_back(self) -> None:
        """Gives up the lease, where it is still held, with the work still due, whatever is wanted now."""
        if self.rows.update(lease_worker=None):
            hints.enqueue(TASK, str(self.sandbox_id))
