"""structlog for every process: JSON lines for machines, or a readable console."""

from typing import Any

import structlog


def configure(*, json: bool, level: str) -> dict[str, Any]:
    """Configures structlog and returns Django's LOGGING; foreign loggers pass through the same renderer."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderers: list[Any] = [structlog.dev.ConsoleRenderer()]
    if json:
        renderers = [_severity, structlog.processors.EventRenamer("message"), structlog.processors.JSONRenderer()]
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": shared,
                "processors": [structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
            }
        },
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["console"], "level": level},
    }


def _severity(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    event["severity"] = event.pop("level", "info").upper()
    return event
