import json
import os
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings

PREAMBLE = """
import logging, logging.config, threading, warnings
import structlog
from openhands_site.observability.logging import configure
logging.config.dictConfig(configure(json={json}, level="{level}"))
log = structlog.get_logger("conversations.agent")
"""


def written(code: str, *, json: bool = True, level: str = "INFO") -> list[str]:
    """What a process that logs so writes, line by line."""
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE.format(json=json, level=level) + code],
        cwd=settings.BASE_DIR,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def objects(code: str, **options: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written(code, **options)]


def test_an_object_has_message_severity_timestamp_and_the_context() -> None:
    (line,) = objects(
        "structlog.contextvars.bind_contextvars(conversation_id='c'); log.warning('said', steps=2)"
    )
    assert line["message"] == "said"
    assert line["severity"] == "WARNING"
    assert line["timestamp"].endswith("Z")
    assert (line["conversation_id"], line["steps"]) == ("c", 2)


def test_foreign_loggers_are_objects_too_with_the_same_context() -> None:
    code = "structlog.contextvars.bind_contextvars(user_id='u'); logging.getLogger('celery').warning('a %s', 'b')"
    (line,) = objects(code)
    assert (line["message"], line["severity"], line["user_id"]) == ("a b", "WARNING", "u")


@pytest.mark.parametrize(
    "code",
    [
        "1 / 0",
        "threading.Thread(target=lambda: 1 / 0).start()",
        "warnings.warn('careful')",
        "log.exception('x', exc_info=ValueError('two\\nlines'))",
        "log.info('object', thing=object())",
    ],
)
def test_what_nobody_catches_and_what_is_no_json_is_one_object_too(code: str) -> None:
    (line,) = objects(code)
    assert {"message", "severity", "timestamp"} <= line.keys()


def test_at_info_libraries_are_heard_from_warning_on() -> None:
    code = "log.info('ours'); logging.getLogger('httpx').info('theirs'); logging.getLogger('httpx').warning('bad')"
    assert [line["message"] for line in objects(code)] == ["ours", "bad"]


@pytest.mark.parametrize(
    ("request_line", "told"),
    [
        ("GET /sign-in/abc-123/?x=1", "GET /sign-in/…/?x=1"),
        ("GET /accounts/password/reset/key/abc-123/", "GET /accounts/password/reset/key/…/"),
        ("GET /settings/?tab=keys", "GET /settings/?tab=keys"),
    ],
)
def test_a_path_that_signs_in_is_hidden(request_line: str, told: str) -> None:
    (line,) = objects(f"log.info('request_finished', request={request_line!r}, code=200)")
    assert line["request"] == told


def test_the_console_is_for_people() -> None:
    (line,) = written("log.info('said', steps=2)", json=False)
    assert "said" in line
    assert "steps=2" in line
    assert "{" not in line
