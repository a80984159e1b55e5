"""Reads of API keys, each from what a user may see."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from accounts.models import APIKey, SignInLink, User  # noqa: F401


class APIKeyQuerySet(models.QuerySet["APIKey"]):
    def visible_to(self, user: "User") -> "APIKeyQuerySet":
        return self.filter(user=user)

    def usable(self, now: datetime) -> "APIKeyQuerySet":
        """Keys that open something at `now`: not expired, and of a user who is active."""
        return self.filter(models.Q(expires_at=None) | models.Q(expires_at__gt=now), user__is_active=True)


class SignInLinkQuerySet(models.QuerySet["SignInLink"]):
    def unused(self, now: datetime) -> "SignInLinkQuerySet":
        return self.filter(used_at=None, expires_at__gt=now)
