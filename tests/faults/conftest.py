"""Databases of their own for the installations that are broken here."""

import os
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest


@pytest.fixture(scope="module")
def database_url() -> Iterator[str]:
    """A new database on the server that the suite runs on; empty for SQLite, which each installation has for itself."""
    server = os.environ.get("DATABASE_URL", "")
    if not server.startswith("postgres"):
        yield ""
        return
    name = f"faults_{uuid4().hex[:12]}"
    base = server.rsplit("/", 1)[0]
    with psycopg.connect(server, autocommit=True) as database:
        database.execute(f"CREATE DATABASE {name}".encode())
        try:
            yield f"{base}/{name}"
        finally:
            database.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture(scope="session")
def is_long() -> bool:
    """Whether there is time: `make faults` sets it, CI does not."""
    return os.environ.get("FAULTS_LONG") == "1"
