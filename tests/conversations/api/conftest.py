"""Clients of the REST API, one a member of the cast."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from accounts.services import create_api_key

ApiClient = Callable[..., Any]


def client_of(user: User) -> Client:
    """A client with an API key of the user's; its requests carry JSON."""
    _row, key = create_api_key(user=user, name="tests")
    return Client(headers={"authorization": f"Bearer {key}"})


@pytest.fixture
def client(owner: User) -> Client:
    return client_of(owner)


@pytest.fixture
def strange_client(stranger: User) -> Client:
    return client_of(stranger)
