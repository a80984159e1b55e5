"""Logs: one JSON object a line with LOG_JSON=1, else a readable console."""

import logging

from openhands_site import env
from openhands_site.observability.logging import configure

LOG_JSON = env.flag("LOG_JSON")
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING = configure(json=LOG_JSON, level=LOG_LEVEL)
DJANGO_STRUCTLOG_STATUS_START_LOG_LEVEL = logging.DEBUG  # one line a request is enough
DJANGO_STRUCTLOG_STATUS_4XX_LOG_LEVEL = logging.INFO  # the caller's fault, not ours
