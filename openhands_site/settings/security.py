"""Hosts, cookies and the content security policy."""

from urllib.parse import urlsplit

from csp.constants import NONE, SELF

from openhands_site import env
from openhands_site.settings.base import PUBLIC_URL

_public = urlsplit(PUBLIC_URL)
ALLOWED_HOSTS = env.items("ALLOWED_HOSTS") or [
    _public.hostname or "localhost",
    "localhost",
    "127.0.0.1",
    "[::1]",
]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("BEHIND_PROXY") else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _public.scheme == "https"
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_REFERRER_POLICY = "same-origin"
# A message of a million characters, each of them escaped as six in JSON, and some room: over HTTP and on sockets.
DATA_UPLOAD_MAX_MEMORY_SIZE = 6_100_000
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "manifest-src": [SELF],
    }
}
