"""Who is at the other end of a socket: a browser with a session of ours, or a program with an API key."""

from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY, load_backend
from django.http.request import split_domain_port, validate_host
from django.utils.crypto import constant_time_compare

from accounts.models import User
from accounts.services import authenticate_bearer
from conversations.models import Conversation


@dataclass(frozen=True)
class Credentials:
    """What a handshake brought. An `authorization` header counts alone; else the session, from our own pages."""

    authorization: str = field(default="", repr=False)
    session_key: str = field(default="", repr=False)

    @classmethod
    def of(cls, scope: dict[str, Any]) -> "Credentials":
        """Those in the headers of an ASGI scope. A cookie that another site's page sent is none."""
        headers = {name.decode("latin1"): value.decode("latin1") for name, value in scope["headers"]}
        authorization = headers.get("authorization", "")
        if authorization:
            return cls(authorization=authorization)
        if not is_own_origin(headers.get("origin", ""), headers.get("host", "")):
            return cls()
        return cls(session_key=_cookie(headers.get("cookie", ""), settings.SESSION_COOKIE_NAME))

    def user(self) -> User | None:
        """The active user they stand for at this moment."""
        if self.authorization:
            return authenticate_bearer(self.authorization)
        return _session_user(self.session_key) if self.session_key else None


def may_watch(user: User, conversation_id: UUID) -> bool:
    return Conversation.objects.visible_to(user).filter(pk=conversation_id).exists()


def is_own_origin(origin: str, host: str) -> bool:
    """Whether a page of ours opened the socket: browsers always say, and never wrongly, where a page is from."""
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    try:
        parts = urlsplit(origin)
        domain, _port = split_domain_port(host)
        return (
            parts.scheme in {"http", "https"}
            and parts.netloc.lower() == host.lower()
            and validate_host(domain, settings.ALLOWED_HOSTS)
        )
    except ValueError:
        return False


def _cookie(header: str, name: str) -> str:
    try:
        morsel = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _session_user(session_key: str) -> User | None:
    """As Django's `get_user`, but it only reads: a socket cannot hand a renewed session to its browser."""
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    path = session.get(BACKEND_SESSION_KEY)
    if path not in settings.AUTHENTICATION_BACKENDS:
        return None
    user = load_backend(path).get_user(session[SESSION_KEY])
    if user is None:
        return None
    stored = session.get(HASH_SESSION_KEY, "")
    valid = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return user if any(constant_time_compare(stored, one) for one in valid) else None
