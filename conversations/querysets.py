"""Reads of conversations and their events, each from what a user may see."""

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import models

from openhands_site.prepared import Parameter

if TYPE_CHECKING:
    from accounts.models import User
    from conversations.models import Blob, Conversation, Event  # noqa: F401 - a base names them


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def visible_to(self, user: "User") -> "ConversationQuerySet":
        return self.filter(owner=user)

    def newest_first(self) -> "ConversationQuerySet":
        return self.order_by("-updated_at", "-id")

    def older_than(self, moment: datetime, pk: UUID) -> "ConversationQuerySet":
        """What `newest_first` has after the conversation `pk`, which was changed at that moment."""
        return self.filter(models.Q(updated_at__lt=moment) | models.Q(updated_at=moment, pk__lt=pk))


class EventQuerySet(models.QuerySet["Event"]):
    def after(self, sequence: int | Parameter) -> "EventQuerySet":
        """In order, what came after `sequence`."""
        return self.filter(sequence__gt=sequence).order_by("sequence")


class BlobQuerySet(models.QuerySet["Blob"]):
    def visible_to(self, user: "User") -> "BlobQuerySet":
        return self.filter(conversation__owner=user)
