"""A client of the REST API."""

import pytest
from django.test import Client

from accounts.models import User
from accounts.services import create_api_key


@pytest.fixture
def client(owner: User) -> Client:
    """It sends an API key of the owner's."""
    _row, key = create_api_key(user=owner, name="tests")
    return Client(headers={"authorization": f"Bearer {key}"})
