"""What a user may enter for their model."""

import re
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError


def validate_base_url(value: str) -> None:
    """An http(s) address with a host, also a bare one (`http://ollama:11434`), which Django's own refuses."""
    example = "such as https://models.example.com/v1 or http://localhost:11434"
    if not value.isprintable() or " " in value:
        raise ValidationError("A base URL has no spaces in it.")
    try:
        url = urlsplit(value)
        host, _ = url.hostname, url.port
    except ValueError as error:
        raise ValidationError(f"This is not a URL. Enter one {example}.") from error
    if url.scheme not in {"http", "https"} or not host:
        raise ValidationError(f"A base URL begins with http:// or https:// and names a host, {example}.")
    if url.username or url.password:
        raise ValidationError("Leave the name and password out of the URL; the key has a field of its own.")
    if url.query or url.fragment:
        raise ValidationError("A base URL ends before any ? or #.")


def validate_model_name(value: str) -> None:
    """The same rule by which a conversation takes a model."""
    if not re.fullmatch(settings.MODEL_NAME, value):
        raise ValidationError(
            "A model's name has no spaces in it and is no URL: write provider/model, such as openai/gpt-5 or "
            "anthropic/claude-opus-4-1."
        )


def validate_provider_key(value: str) -> None:
    """The key travels in an HTTP header: what cannot stand there is a slip of the clipboard."""
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ValidationError("This does not look like a key: it holds spaces or characters that no key has.")
