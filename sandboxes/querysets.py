"""Reads of what runs."""

from typing import TYPE_CHECKING

from django.db import models

from sandboxes.states import SandboxState

if TYPE_CHECKING:
    from sandboxes.models import Runtime  # noqa: F401 - a base names it


class RuntimeQuerySet(models.QuerySet["Runtime"]):
    def answering(self) -> "RuntimeQuerySet":
        """The lives of sandboxes that are running."""
        return self.filter(ended_at=None, sandbox__state=SandboxState.RUNNING)
