"""Reads of sandboxes, each from what a user may see."""

from typing import TYPE_CHECKING

from django.db import models

from sandboxes.states import SandboxState

if TYPE_CHECKING:
    from accounts.models import User
    from sandboxes.models import Runtime, Sandbox  # noqa: F401 - a base names them


class SandboxQuerySet(models.QuerySet["Sandbox"]):
    def visible_to(self, user: "User") -> "SandboxQuerySet":
        return self.filter(owner=user)


class RuntimeQuerySet(models.QuerySet["Runtime"]):
    def answering(self) -> "RuntimeQuerySet":
        """The lives of sandboxes that are running."""
        return self.filter(ended_at=None, sandbox__state=SandboxState.RUNNING)
