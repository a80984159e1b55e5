"""Tells the sockets when somebody's access may have ended, so that they look at once and not only each minute."""

from typing import Any
from uuid import UUID

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from accounts.models import APIKey, User
from openhands_site import hints, redis_client


def tell_access_ended(user_id: UUID | str) -> None:
    """On commit; it is a hint, and whoever hears it finds out for themselves."""
    transaction.on_commit(lambda: hints.publish(redis_client.access_channel(), str(user_id)))


@receiver(post_delete, sender=APIKey)
def key_revoked(instance: APIKey, **_: Any) -> None:
    tell_access_ended(instance.user_id)


@receiver(post_delete, sender=Session)
def session_ended(instance: Session, **_: Any) -> None:
    """Signing out deletes the session; the signal that says so is sent before it is done."""
    if user_id := instance.get_decoded().get(SESSION_KEY):
        tell_access_ended(user_id)


@receiver(post_save, sender=User)
def user_changed(instance: User, created: bool, update_fields: frozenset[str] | None, **_: Any) -> None:
    """A new password ends sessions, a deactivated user has no access at all."""
    if not created and update_fields != frozenset({"last_login"}):
        tell_access_ended(instance.pk)
