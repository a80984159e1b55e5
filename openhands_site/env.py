"""Every environment variable that the project reads, in one place.

A wrong value stops the start with a sentence that says what to set. Only `openhands_site.settings` imports
this module; `docs/settings.md` describes each variable, and a test holds the two together.
"""

import os
import re
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email


def text(name: str, default: str = "") -> str:
    """The variable's value, or what stands in the file that `<name>_FILE` names (Docker and systemd secrets)."""
    path = os.environ.get(f"{name}_FILE", "")
    if path:
        try:
            return Path(path).read_text().strip()
        except OSError as error:
            raise ImproperlyConfigured(
                f"{name}_FILE names {path}, which cannot be read: {error.strerror}."
            ) from error
    return os.environ.get(name, "").strip() or default


def number(name: str, default: int, *, at_least: int = 0, at_most: int = 2**31) -> int:
    value = text(name)
    if not value:
        return default
    parsed = int(value) if value.isascii() and value.isdigit() else -1
    if not at_least <= parsed <= at_most:
        raise ImproperlyConfigured(f"{name} is {value!r}; set a whole number from {at_least} to {at_most}.")
    return parsed


def amount(name: str) -> float | None:
    """A number with decimals, 0 or more; None where the variable is not set."""
    value = text(name)
    if not value:
        return None
    try:
        parsed = float(value)
    except ValueError:
        parsed = -1.0
    if not 0 <= parsed < float("inf"):
        raise ImproperlyConfigured(f"{name} is {value!r}; set a number such as 2.50, or leave it out.")
    return parsed


def flag(name: str, default: bool = False) -> bool:
    value = text(name).lower()
    if value in {"", "0", "false", "no", "off", "1", "true", "yes", "on"}:
        return default if value == "" else value in {"1", "true", "yes", "on"}
    raise ImproperlyConfigured(f"{name} is {value!r}; set 1 or 0.")


def choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    value = text(name, default)
    if value not in choices:
        raise ImproperlyConfigured(f"{name} is {value!r}; set one of: {', '.join(choices)}.")
    return value


def items(name: str) -> list[str]:
    return [item.strip() for item in text(name).split(",") if item.strip()]


def networks(name: str, default: str) -> list[str]:
    """Networks such as 10.0.0.0/8, in one way of writing each; `none` is an empty list."""
    value = text(name, default)
    try:
        found = [ip_network(item.strip()) for item in value.split(",") if item.strip() and value != "none"]
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} is {value!r}: {error}; set networks such as 10.0.0.0/8, separated by commas, or none."
        ) from error
    return [str(network) for network in found]


def url(name: str, schemes: tuple[str, ...], default: str = "") -> str:
    value = text(name, default)
    try:
        parts = urlsplit(value)
        is_good = parts.scheme in schemes and parts.port != 0 and bool(parts.netloc or parts.path)
        is_good = is_good and (bool(parts.hostname) or parts.scheme not in {"http", "https"})
    except ValueError:  # a port that is no number, or brackets that do not match
        is_good = False
    if value and not is_good:
        expected = " or ".join(f"{scheme}://…" for scheme in schemes)
        raise ImproperlyConfigured(f"{name} is {_without_password(value)!r}; set a URL such as {expected}")
    return value


def origin(name: str, default: str) -> str:
    """Where browsers reach something: scheme, host and port, and nothing behind them."""
    value = url(name, ("http", "https"), default).rstrip("/")
    parts = urlsplit(value)
    if parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        raise ImproperlyConfigured(
            f"{name} is {_without_password(value)!r}; set scheme, host and port alone, such as "
            "https://openhands.example.com."
        )
    return value


def email(name: str, default: str) -> str:
    value = text(name, default)
    try:
        validate_email(value)
    except ValidationError as error:
        raise ImproperlyConfigured(f"{name} is {value!r}; set an address such as me@example.com.") from error
    return value


def matching(name: str, default: str, pattern: str, example: str) -> str:
    value = text(name, default)
    if not re.fullmatch(pattern, value):
        raise ImproperlyConfigured(f"{name} is {value!r}; set one such as {example}.")
    return value


def folder(name: str, default: Path) -> Path:
    return Path(text(name) or default).expanduser().resolve()


def _without_password(value: str) -> str:
    """The URL as it may be printed: it may hold a password, and not parse."""
    return re.sub(r"//[^/]*@", "//…@", value)
