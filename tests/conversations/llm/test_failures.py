from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from conversations.llm import failures
from conversations.llm.base import ModelChoice

CHOICE = ModelChoice("openai/gpt-4o", "sk-0123456789abcdef", "https://user:pass@models.example.com/v1")


class HTTPFailure(Exception):
    def __init__(self, status: int, text: str = "", headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status_code = status
        self.headers = headers or {}


def explained(error: Exception) -> str:
    return failures.explain(error, CHOICE, patience=300, attempts=1).message


@pytest.mark.parametrize(
    "value, seconds", [("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("soon", None), ("", None)]
)
def test_retry_after_is_read_in_seconds(value: str, seconds: float | None) -> None:
    assert failures.retry_after(HTTPFailure(429, headers={"Retry-After": value})) == seconds


def test_retry_after_is_read_as_a_date() -> None:
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True)
    seconds = failures.retry_after(HTTPFailure(429, headers={"retry-after": date}))
    assert seconds is not None
    assert 25 < seconds <= 30


def test_a_failure_in_the_middle_of_a_stream_is_judged_by_what_it_was() -> None:
    outer = HTTPFailure(500, "wrapped")
    outer.original_exception = HTTPFailure(429, "slow down", {"retry-after": "3"})  # type: ignore[attr-defined]
    assert failures.explain(outer, CHOICE, patience=1, attempts=1).code == "rate_limited"
    assert failures.retry_after(outer) == 3


def test_the_providers_words_are_told_without_its_key_or_its_pages() -> None:
    assert "(Bad field.)" in explained(HTTPFailure(400, '{"error": {"message": "Bad field.", "code": 1}}'))
    assert "sk-" not in explained(HTTPFailure(400, "Exception - key sk-0123456789abcdef is bad"))
    assert "sk-" not in explained(HTTPFailure(500, "Exception - key sk-another-0123456789 is bad"))
    assert "<html" not in explained(HTTPFailure(502, "<html><body>Bad gateway</body></html>"))
    assert len(explained(HTTPFailure(400, "x" * 10_000))) < 500


def test_a_base_urls_password_is_not_told() -> None:
    message = explained(ConnectionRefusedError("refused"))
    assert "models.example.com" in message
    assert "pass" not in message.replace("under Settings", "")


def test_what_nobody_foresaw_is_no_ones_to_repeat() -> None:
    error = failures.explain(KeyError("x"), CHOICE, patience=1, attempts=2)
    assert (error.code, error.fault, error.retryable, error.attempts) == ("llm_error", "server", False, 2)
