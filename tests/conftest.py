"""The cast that every test may call on: owner, teammate, stranger, operator, their browsers and keys."""

from collections.abc import Iterator

import pytest
from django.test import Client

from accounts.models import User
from accounts.services import create_api_key
from sandboxes.backends import memory
from tests.services import pytest_runtest_setup  # noqa: F401 - pytest finds the hook here


@pytest.fixture(autouse=True)
def _no_sandbox_goes_on_in_memory() -> Iterator[None]:
    yield
    memory.kill_all()


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


@pytest.fixture
def as_owner(client: Client, owner: User) -> Client:
    """A browser in which the owner is signed in."""
    client.force_login(owner)
    return client


@pytest.fixture
def as_operator(client: Client, operator: User) -> Client:
    """A browser in which the operator is signed in."""
    client.force_login(operator)
    return client


@pytest.fixture
def key(owner: User) -> str:
    """An API key of the owner's."""
    return create_api_key(user=owner, name="tests")[1]
