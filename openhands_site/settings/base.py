"""Django itself: apps, middleware, templates, database."""

from urllib.parse import quote

import dj_database_url

from openhands_site import env, installation
from openhands_site.settings.home import BASE_DIR, OPENHANDS_HOME, SECRET_KEYS

DEBUG = env.flag("OPENHANDS_DEBUG")
SECRET_KEY = installation.derive(SECRET_KEYS[0], "django")
SECRET_KEY_FALLBACKS = [installation.derive(key, "django") for key in SECRET_KEYS[1:]]
PORT = env.number("PORT", 8000, at_least=1, at_most=65535)
HOST = env.text("HOST", "127.0.0.1")
PUBLIC_URL = env.origin("PUBLIC_URL", f"http://localhost:{PORT}")

INSTALLED_APPS = [
    "daphne",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "csp",
    "django_htmx",
    "ninja",  # for the files of its documentation page, which else come from a CDN
    "django_structlog",
    "openhands_site.workers",
    "openhands_site",
    "accounts",
    "sandboxes",
    "conversations",
    "integrations",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "openhands_site.middleware.json_errors",
    "openhands_site.middleware.probes",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "openhands_site.middleware.OutageMiddleware",
    "openhands_site.middleware.RequestLogMiddleware",
]
ROOT_URLCONF = "openhands_site.urls"
ASGI_APPLICATION = "openhands_site.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

DATABASE_URL = env.url(
    "DATABASE_URL",
    ("postgres", "postgresql", "sqlite"),
    f"sqlite:///{quote(str(OPENHANDS_HOME))}/openhands.sqlite3",
)
_database = dj_database_url.parse(DATABASE_URL)
if _database["ENGINE"].endswith("sqlite3"):
    _database["ENGINE"] = "openhands_site.databases.sqlite3"
    # A writer takes the lock at BEGIN and waits for it; readers never wait (write-ahead log).
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-16000;",
    }
else:
    _database["ENGINE"] = "openhands_site.databases.postgresql"
    _database["CONN_HEALTH_CHECKS"] = True  # else each connection of the pool fails once after a restart
    _options = _database.get("OPTIONS", {})
    _database["OPTIONS"] = {
        **_options,
        # A worker that is frozen inside a transaction must not keep its row from whoever takes over.
        "options": f"{_options.get('options', '')} -c idle_in_transaction_session_timeout=10s".strip(),
        "pool": {
            "min_size": 1,
            "max_size": env.number("DATABASE_POOL", 32, at_least=2),
            # Given up, an attempt is made anew for the next who asks; else the pauses between them grow to minutes.
            # Who waits already is no such, so nobody waits for longer than the attempt.
            "reconnect_timeout": 5,
            "timeout": 5,
        },
    }
DATABASES = {"default": _database}
