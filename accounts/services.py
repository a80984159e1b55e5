"""What can be done with accounts: one function an intention.

All times are the server's clock; all tokens are returned once and kept as hashes.
"""

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone

from accounts import tokens
from accounts.errors import NoAdministratorError, UnknownUserError
from accounts.models import APIKey, SignInLink, User, UserSettings
from openhands_site.db import without_waiting

LINK_LIFETIME = timedelta(hours=24)
LAST_USED_PRECISION = timedelta(minutes=1)
log = structlog.get_logger(__name__)


def ensure_administrator() -> User:
    """The first active administrator, made without a password (ADMIN_EMAIL) where there is none.

    Any number of processes may call it at once. An existing account of that address is never promoted: its
    password is somebody's already. Raises `NoAdministratorError` then.
    """
    administrator = _first_administrator()
    if administrator is None:
        try:
            with transaction.atomic():
                administrator = User.objects.create_superuser(settings.ADMIN_EMAIL)
            log.info("an administrator was made", email=administrator.email)
        except (IntegrityError, ValidationError) as error:
            administrator = _first_administrator()
            if administrator is None:
                raise NoAdministratorError(settings.ADMIN_EMAIL) from error
    return administrator


def _first_administrator() -> User | None:
    return User.objects.filter(is_superuser=True, is_active=True).order_by("date_joined", "id").first()


def find_user(email: str | None) -> User:
    """The active user with this address, or without one the first administrator."""
    if not email:
        return ensure_administrator()
    user = User.objects.filter(email=email.strip().lower(), is_active=True).first()
    if user is None:
        raise UnknownUserError(email)
    return user


def save_settings(
    *, user: User, name: str, llm_model: str, llm_base_url: str, llm_api_key: str | None
) -> None:
    """`llm_api_key`: None keeps the stored one, an empty string removes it."""
    values: dict[str, str] = {"llm_model": llm_model, "llm_base_url": llm_base_url}
    if llm_api_key is not None:
        values["llm_api_key"] = llm_api_key
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(name=name)
        UserSettings.objects.update_or_create(user=user, defaults=values)
    user.name = name
    log.info("settings were saved", provider_key_changed=llm_api_key is not None)


def create_api_key(*, user: User, name: str, expires_at: datetime | None = None) -> tuple[APIKey, str]:
    """The row and the key itself, which nothing can give again."""
    key, prefix = tokens.new_api_key()
    row = APIKey.objects.create(
        user=user, name=name, prefix=prefix, hash=tokens.digest(key), expires_at=expires_at
    )
    log.info("an API key was made", owner_id=str(user.pk), prefix=prefix)
    return row, key


def authenticate_api_key(key: str) -> User | None:
    """The user whose key this is; None where it is unknown, revoked or expired, or its user deactivated."""
    if not key.startswith(tokens.KEY_MARK):
        return None
    now = timezone.now()
    row = APIKey.objects.usable(now).select_related("user").filter(hash=tokens.digest(key)).first()
    if row is None:
        return None
    _note_use(row, now)
    return row.user


def authenticate_bearer(authorization: str | None) -> User | None:
    """The same for the value of an `Authorization` header, whatever stands in it."""
    scheme, _, key = (authorization or "").partition(" ")
    return authenticate_api_key(key.strip()) if scheme.lower() == "bearer" else None


def _note_use(row: APIKey, now: datetime) -> None:
    """At most one write a minute, however many requests and processes there are, and none that is worth a wait."""
    before = now - LAST_USED_PRECISION
    if row.last_used_at is None or row.last_used_at <= before:
        stale = Q(last_used_at=None) | Q(last_used_at__lte=before)
        try:
            with without_waiting():
                APIKey.objects.filter(stale, pk=row.pk).update(last_used_at=now)
        except OperationalError as error:
            log.warning("the use of an API key was not noted", error=str(error))


def revoke_api_key(*, key_id: UUID, by: User) -> None:
    """Raises `APIKey.DoesNotExist` where `by` has no such key."""
    row = APIKey.objects.visible_to(by).get(pk=key_id)
    row.delete()
    log.info("an API key was revoked", prefix=row.prefix)


def create_sign_in_link(*, user: User) -> str:
    """A URL that signs `user` in once within 24 hours. Whoever holds it is that user."""
    token, now = tokens.new_token(), timezone.now()
    SignInLink.objects.filter(expires_at__lte=now).delete()
    SignInLink.objects.create(user=user, hash=tokens.digest(token), expires_at=now + LINK_LIFETIME)
    log.info("a sign-in link was made", owner_id=str(user.pk))
    return f"{settings.PUBLIC_URL}{reverse('accounts:sign_in_link', args=[token])}"


def find_sign_in_link(token: str) -> SignInLink | None:
    """The link, if it would still sign its user in. Looking does not use it up."""
    links = SignInLink.objects.unused(timezone.now()).select_related("user")
    return links.filter(hash=tokens.digest(token), user__is_active=True).first()


def use_sign_in_link(token: str) -> User | None:
    """Who is to be signed in: of any number of calls with one token, one gets the user, the others None."""
    link = find_sign_in_link(token)
    if link is None:
        return None
    # Conditions on the row alone: PostgreSQL judges those anew after it has waited for a concurrent writer.
    now = timezone.now()
    if not SignInLink.objects.unused(now).filter(pk=link.pk).update(used_at=now):
        return None
    log.info("a sign-in link was used", owner_id=str(link.user.pk))
    return link.user
