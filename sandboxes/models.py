"""Sandbox is what a user owns, Runtime is what runs."""

import uuid
from typing import Any, TypedDict

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from accounts.fields import EncryptedTextField
from openhands_site.workers.models import Leased
from sandboxes.querysets import RuntimeQuerySet
from sandboxes.states import SandboxState, Wanted


class Sandbox(Leased):
    """A place of a user's for commands and files. It outlives the runtimes that carry it.

    `image` names what is in it, where its owner chose; empty is the backend's own. `is_oversized` says that its files
    took more than they may when they were last counted. `wanted` is an order, `state` is what is; while they differ,
    `due_since` is set and a worker that takes the lease brings one to the other. Removed sandboxes have no row.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="sandboxes")
    state = models.CharField(max_length=16, choices=SandboxState, default=SandboxState.STARTING)
    wanted = models.CharField(max_length=16, choices=Wanted, default=Wanted.RUNNING)
    image = models.CharField(max_length=255, blank=True)
    error = models.TextField(blank=True)
    is_oversized = models.BooleanField(db_default=False)
    start_asked_at = models.DateTimeField(db_default=Now())
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "sandboxes"
        indexes = [
            models.Index(
                fields=["due_since"], condition=models.Q(due_since__isnull=False), name="sandbox_due"
            )
        ]

    def __str__(self) -> str:
        return f"{self.id} ({self.state})"


class Address(TypedDict):
    backend: str
    sandbox_id: uuid.UUID
    handle: dict[str, Any]


class Runtime(models.Model):
    """One life of a sandbox: a process tree or a container with an action server in it.

    `handle` is the backend's own note of where to find it (pid, container id). `boot_id` is what the action server
    calls its life; actions are bound to it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    sandbox = models.ForeignKey(Sandbox, models.CASCADE, related_name="runtimes")
    backend = models.CharField(max_length=32)
    isolation = models.CharField(max_length=200, blank=True)
    url = models.CharField(max_length=200, blank=True)
    key = EncryptedTextField(blank=True)
    boot_id = models.CharField(max_length=64, blank=True)
    handle = models.JSONField(default=dict, blank=True)
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = RuntimeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["sandbox"], condition=models.Q(ended_at=None), name="one_live_runtime_a_sandbox"
            )
        ]

    def __str__(self) -> str:
        return f"{self.backend} {self.id}"

    @property
    def address(self) -> "Address":
        """Whom to ask about this life: the arguments of `runtime_api.client`'s functions."""
        return {"backend": self.backend, "sandbox_id": self.sandbox_id, "handle": self.handle}
