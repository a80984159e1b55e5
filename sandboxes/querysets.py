"""Reads of sandboxes, each from what a user may see."""

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from accounts.models import User
    from sandboxes.models import Sandbox


class SandboxQuerySet(models.QuerySet["Sandbox"]):
    def visible_to(self, user: "User") -> "SandboxQuerySet":
        return self.filter(owner=user)
