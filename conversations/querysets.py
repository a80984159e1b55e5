"""Reads of conversations and their events, each from what a user may see."""

from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from accounts.models import User
    from conversations.models import Blob, Conversation, Event, LLMCall  # noqa: F401 - a base names them


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def visible_to(self, user: "User") -> "ConversationQuerySet":
        return self.filter(owner=user)

    def newest_first(self) -> "ConversationQuerySet":
        return self.order_by("-updated_at", "-id")


class EventQuerySet(models.QuerySet["Event"]):
    def visible_to(self, user: "User") -> "EventQuerySet":
        return self.filter(conversation__owner=user)

    def after(self, sequence: int) -> "EventQuerySet":
        """In order, what came after `sequence`."""
        return self.filter(sequence__gt=sequence).order_by("sequence")


class BlobQuerySet(models.QuerySet["Blob"]):
    def visible_to(self, user: "User") -> "BlobQuerySet":
        return self.filter(conversation__owner=user)


class LLMCallQuerySet(models.QuerySet["LLMCall"]):
    def visible_to(self, user: "User") -> "LLMCallQuerySet":
        return self.filter(conversation__owner=user)
