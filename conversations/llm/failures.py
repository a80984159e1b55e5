"""What LiteLLM raises, as an LLMError that says what to do. It names exceptions, so that LiteLLM is not imported."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import urlsplit

from conversations.llm.base import ModelChoice
from conversations.llm.errors import LLMError

_DETAIL_LENGTH = 300
_SECRETS = re.compile(r"\b(sk|pk|key|Bearer|AIza)[-_ ]?[A-Za-z0-9._*-]{8,}", re.IGNORECASE)
_QUOTED_MESSAGE = re.compile(r"""["']message["']:\s*"((?:[^"\\]|\\.)*)\"""")


class IncompleteReplyError(Exception):
    """The stream ended, and nothing in it said that the reply did."""


class FilteredReplyError(Exception):
    """The provider withheld the reply (finish reason `content_filter`)."""


@dataclass(frozen=True)
class _Kind:
    """`sentence` may name the model, where it was sought, the patience in seconds and the provider's own words."""

    fault: Literal["user", "provider", "server"]
    retryable: bool
    sentence: str


_KINDS = {
    "key_refused": _Kind(
        "user", False, "The provider refused the key: set LLM_API_KEY, or your key under Settings."
    ),
    "not_allowed": _Kind(
        "user",
        False,
        "This key may not use {model}{where}: choose another model, or set another key.{detail}",
    ),
    "no_credit": _Kind(
        "user", False, "The account at the provider has no credit left: top it up, or set another key."
    ),
    "model_not_found": _Kind(
        "user",
        False,
        "{model} was not found{where}: check LLM_MODEL and LLM_BASE_URL (which often ends in /v1), or what stands "
        "under Settings.{detail}",
    ),
    "provider_unknown": _Kind(
        "user",
        False,
        "Nobody is known to provide {model}: write provider/model, such as openai/gpt-4o, or set a base URL "
        "(LLM_BASE_URL, or under Settings).",
    ),
    "context_window": _Kind(
        "user",
        False,
        "The conversation is longer than {model} can read: start a new one, or choose a model that reads more.",
    ),
    "content_policy": _Kind(
        "user", False, "The provider's content policy refused the request: word it differently.{detail}"
    ),
    "bad_request": _Kind("server", False, "The provider refused the request to {model}.{detail}"),
    "rate_limited": _Kind(
        "provider",
        True,
        "The provider takes no more calls just now (rate limit or quota): wait a little, then resume.{detail}",
    ),
    "timeout": _Kind(
        "provider", True, "{model} was silent for {patience} s: resume to try again, or raise LLM_TIMEOUT."
    ),
    "unreachable": _Kind(
        "provider",
        True,
        "{model} cannot be reached{where}: check the network and the base URL (LLM_BASE_URL, or under Settings).",
    ),
    "cut": _Kind("provider", True, "The provider broke off in the middle of its reply: resume to try again."),
    "unreadable": _Kind(
        "provider",
        True,
        "What answered{where} is not the chat completions of OpenAI's protocol: check the base URL, or try again.",
    ),
    "unavailable": _Kind("provider", True, "The provider failed: wait a little, then resume.{detail}"),
    "llm_error": _Kind("server", False, "The call of {model} failed.{detail}"),
}
_BY_STATUS = {
    401: "key_refused",
    402: "no_credit",
    403: "not_allowed",
    404: "model_not_found",
    408: "timeout",
    409: "unavailable",
    425: "unavailable",
    429: "rate_limited",
}


def explain(error: Exception, choice: ModelChoice, *, patience: int, attempts: int) -> LLMError:
    """The error as one to show: without the key, however the provider repeats it."""
    code = _classify(error)
    kind = _KINDS[code]
    message = kind.sentence.format(
        model=choice.name,
        where=f" at {_host(choice.base_url)}" if choice.base_url else "",
        patience=patience,
        detail=_detail(error, choice.api_key),
    )
    return LLMError(message, code=code, fault=kind.fault, retryable=kind.retryable, attempts=attempts)


def retry_after(error: Exception) -> float | None:
    """The seconds that the provider asked to wait, from its `Retry-After` in seconds or as a date."""
    value = _headers(error).get("retry-after", "") or _headers(_original(error)).get("retry-after", "")
    try:
        return max(float(value), 0.0)
    except ValueError:
        pass
    try:
        return max((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None


def _classify(error: Exception) -> str:
    broke_off = not getattr(error, "is_pre_first_chunk", True)
    error = _original(error)
    names = {each.__name__ for each in type(error).__mro__}
    text = str(error).lower()
    status = getattr(error, "status_code", None)
    if isinstance(error, IncompleteReplyError):
        return "cut"
    if isinstance(error, FilteredReplyError) or "ContentPolicyViolationError" in names:
        return "content_policy"
    if isinstance(error, TimeoutError) or "APITimeoutError" in names:
        return "timeout"
    if "ContextWindowExceededError" in names:
        return "context_window"
    if "provider not provided" in text:
        return "provider_unknown"
    if "insufficient_quota" in text or getattr(error, "code", "") == "insufficient_quota":
        return "no_credit"
    if status == 400 and ("content_policy" in text or "content policy" in text or "content_filter" in text):
        return "content_policy"
    if broke_off:
        return "cut"
    if "cannot connect" in text or "connection error" in text or isinstance(error, OSError):
        return "unreachable"
    return _by_status(status, names)


def _by_status(status: object, names: set[str]) -> str:
    if not isinstance(status, int):
        return "unreachable" if "APIConnectionError" in names else "llm_error"
    if status < 300:
        return "unreadable"
    if status >= 500:
        return "unavailable"
    return _BY_STATUS.get(status, "bad_request")


def _original(error: Exception) -> Exception:
    """LiteLLM wraps what goes wrong in the middle of a stream."""
    inner = getattr(error, "original_exception", None)
    return inner if isinstance(inner, Exception) else error


def _headers(error: Exception) -> Mapping[str, str]:
    for holder in (error, getattr(error, "response", None)):
        for name in ("litellm_response_headers", "headers"):
            headers: Any = getattr(holder, name, None)
            if headers:
                return {str(key).lower(): str(value) for key, value in dict(headers).items()}
    return {}


def _host(base_url: str) -> str:
    """Without what a URL may hold of a password."""
    return urlsplit(base_url).netloc.rpartition("@")[2]


def _detail(error: Exception, api_key: str) -> str:
    """The provider's own words, in brackets; nothing where they are a page."""
    text = str(_original(error))
    quoted = _QUOTED_MESSAGE.search(text)
    text = quoted[1] if quoted else text.rpartition("Exception - ")[2]
    if api_key:
        text = text.replace(api_key, "[key]")
    text = " ".join(_SECRETS.sub("[key]", text).split())
    if not text or "<html" in text.lower():
        return ""
    return f" ({text[:_DETAIL_LENGTH]})"
