"""structlog for every process: JSON lines for machines, or a readable console. Both go to stderr."""

import json as json_module
import logging
import re
import sys
import threading
from typing import Any

import structlog
from structlog.typing import EventDict

OURS = ("accounts", "sandboxes", "conversations", "integrations", "openhands_site", "django_structlog")
# What follows these in a path signs somebody in.
SECRET_PATHS = re.compile(r"(/sign-in/|/reset/key/)[^/?\s]+")


def configure(*, json: bool, level: str) -> dict[str, Any]:
    """Configures structlog and returns Django's LOGGING; foreign loggers pass through the same renderer.

    At INFO, libraries are heard from WARNING on; any other level is for all.
    """
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso" if json else "%H:%M:%S", utc=json),
        structlog.processors.StackInfoRenderer(),
        _hide_secret_paths,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    if json:
        _log_what_nobody_catches()
    renderers = _json_renderers() if json else [_console()]
    line = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": shared,
        "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": line},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "loggers": _loggers(level),
        "root": {"handlers": ["console"], "level": "WARNING" if level == "INFO" else level},
    }


def _loggers(level: str) -> dict[str, dict[str, Any]]:
    return {
        **{name: {"level": level} for name in OURS},
        # Django's own handlers would say everything twice; django_structlog tells of a request that failed.
        "django": {"handlers": [], "propagate": True},
        "django.request": {"level": "ERROR"},
    }


def _console() -> Any:
    """With a plain traceback: the richer ones print local variables, and with them keys and tokens."""
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )


def _json_renderers() -> list[Any]:
    return [
        structlog.processors.format_exc_info,
        _severity,
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(serializer=json_module.dumps, default=str, ensure_ascii=False),
    ]


def _severity(_logger: Any, _method: str, event: EventDict) -> EventDict:
    event["severity"] = event.pop("level", "info").upper()
    return event


def _hide_secret_paths(_logger: Any, _method: str, event: EventDict) -> EventDict:
    for key in ("event", "request", "path"):
        if isinstance(event.get(key), str):
            event[key] = SECRET_PATHS.sub(r"\1…", event[key])
    return event


def _log_what_nobody_catches() -> None:
    """Tracebacks and warnings would be lines that are no JSON."""

    def of_process(kind: type[BaseException], error: BaseException, traceback: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        logging.getLogger("openhands_site").critical("uncaught", exc_info=(kind, error, traceback))

    def of_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None:
            of_process(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook = of_process
    threading.excepthook = of_thread
    logging.captureWarnings(True)
