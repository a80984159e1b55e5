"""Conversations, their event log and what belongs to it."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from conversations.querysets import BlobQuerySet, ConversationQuerySet, EventQuerySet
from conversations.states import AgentState
from openhands_site.workers.models import Leased


class Conversation(Leased):
    """One task and all that was said and done about it.

    `agent_state`, `title`, `last_sequence` and `last_order_sequence` repeat what the event log says, for reads; only
    the timeline writes them. `due_since` is when the agent got something to read that it has not read yet.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="conversations")
    sandbox = models.ForeignKey(
        "sandboxes.Sandbox", models.SET_NULL, null=True, blank=True, related_name="conversations"
    )
    title = models.CharField(max_length=200)
    agent_state = models.CharField(
        max_length=24, choices=AgentState, default=AgentState.STARTING, editable=False
    )
    last_sequence = models.PositiveBigIntegerField(default=0, editable=False)
    last_order_sequence = models.PositiveBigIntegerField(default=0, editable=False)
    model = models.CharField(max_length=200)
    image = models.CharField("image of its sandbox", max_length=255, blank=True)
    max_steps = models.PositiveIntegerField()
    max_budget = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    idempotency_key = models.CharField(max_length=200, null=True, blank=True, editable=False)
    created_at = models.DateTimeField(db_default=Now())
    updated_at = models.DateTimeField(db_default=Now())

    objects = ConversationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["owner", "idempotency_key"], name="one_conversation_an_idempotency_key"
            )
        ]
        indexes = [
            models.Index(fields=["owner", "-updated_at", "-id"], name="conversation_list"),
            models.Index(
                fields=["due_since"], condition=models.Q(due_since__isnull=False), name="conversation_due"
            ),
        ]

    def __str__(self) -> str:
        return self.title

    def get_absolute_url(self) -> str:
        return f"/conversations/{self.id}/"


class Event(models.Model):
    """One line of a conversation's log; written by the timeline alone, never changed."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="events", db_index=False)
    sequence = models.PositiveBigIntegerField()
    kind = models.CharField(max_length=24)
    source = models.CharField(max_length=8)
    payload = models.JSONField()
    created_at = models.DateTimeField()

    objects = EventQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["conversation", "sequence"], name="one_event_a_sequence")
        ]
        ordering = ["conversation", "sequence"]

    def __str__(self) -> str:
        return f"{self.sequence} {self.kind}"


class Blob(models.Model):
    """Bytes of an event that are too many for its row; the file is named by its sha256."""

    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="blobs")
    sha256 = models.CharField(max_length=64)
    media_type = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField()
    created_at = models.DateTimeField(db_default=Now())

    objects = BlobQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["conversation", "sha256"], name="one_blob_a_conversation")
        ]

    def __str__(self) -> str:
        return f"{self.sha256[:12]} ({self.media_type}, {self.size} bytes)"


class FileRemoval(models.Model):
    """A conversation is gone, and its blobs' files are to go: made with the deletion, gone with the files."""

    conversation_id = models.UUIDField(primary_key=True)
    created_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return f"files of {self.conversation_id}"


class LLMCall(models.Model):
    """One call of a model: made before the call, settled after it, once. Unknown cost is null, never 0."""

    class Status(models.TextChoices):
        OPEN = "open"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"
        ESTIMATED = "estimated", "estimated (its worker died)"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(Conversation, models.CASCADE, related_name="llm_calls")
    fence = models.PositiveBigIntegerField()
    model = models.CharField(max_length=200)
    route = models.CharField(max_length=255)  # a model's name may get a prefix there
    status = models.CharField(max_length=12, choices=Status, default=Status.OPEN)
    attempts = models.PositiveIntegerField(default=0)
    prompt_tokens = models.PositiveIntegerField(null=True, blank=True)
    cached_tokens = models.PositiveIntegerField(null=True, blank=True)
    completion_tokens = models.PositiveIntegerField(null=True, blank=True)
    cost = models.DecimalField("cost in US dollars", max_digits=14, decimal_places=8, null=True, blank=True)
    latency_ms = models.PositiveIntegerField(null=True, blank=True)
    first_token_ms = models.PositiveIntegerField(null=True, blank=True)
    error = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "model call"

    def __str__(self) -> str:
        return f"{self.model} {self.status}"
