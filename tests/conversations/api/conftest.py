"""A client of the REST API."""

import pytest
from django.test import Client


@pytest.fixture
def client(key: str) -> Client:
    """It sends an API key of the owner's."""
    return Client(headers={"authorization": f"Bearer {key}"})
