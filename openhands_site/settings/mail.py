"""Mail: password resets. Without a server none is sent, and the page says whom to ask."""

from urllib.parse import unquote, urlsplit

from openhands_site import env

_server = urlsplit(env.url("EMAIL_URL", ("smtp", "smtp+tls", "smtps")))
EMAIL_HOST = _server.hostname or ""
EMAIL_PORT = _server.port or {"smtp": 25, "smtp+tls": 587, "smtps": 465}.get(_server.scheme, 25)
EMAIL_HOST_USER = unquote(_server.username or "")
EMAIL_HOST_PASSWORD = unquote(_server.password or "")
EMAIL_USE_TLS = _server.scheme == "smtp+tls"
EMAIL_USE_SSL = _server.scheme == "smtps"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("EMAIL_FROM", "openhands@localhost")
