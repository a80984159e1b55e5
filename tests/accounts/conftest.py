from collections.abc import Iterator

import pytest
from cryptography.fernet import Fernet
from django.core.cache import cache
from pytest_django import Settings

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def _fresh_rates() -> Iterator[None]:
    """allauth counts attempts in the process's cache, over all tests."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def older_key(settings: Settings) -> str:
    """The only key so far; `newer_key` comes in front of it."""
    key = Fernet.generate_key().decode()
    settings.SECRET_KEYS = [key]
    return key


@pytest.fixture
def newer_key() -> str:
    return Fernet.generate_key().decode()
