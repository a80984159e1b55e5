"""The cast that every test may call on: owner, teammate, stranger, operator."""

import pytest

from accounts.models import User
from tests.services import pytest_runtest_setup  # noqa: F401 - pytest finds the hook here


@pytest.fixture
def owner(db: None) -> User:
    return User.objects.create_user("owner@example.com", "correct horse battery")


@pytest.fixture
def teammate(db: None) -> User:
    return User.objects.create_user("teammate@example.com", "correct horse battery")


@pytest.fixture
def stranger(db: None) -> User:
    return User.objects.create_user("stranger@example.com", "correct horse battery")


@pytest.fixture
def operator(db: None) -> User:
    return User.objects.create_superuser("operator@example.com", "correct horse battery")
