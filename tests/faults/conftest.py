"""Databases of their own for the installations that are broken here."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from uuid import uuid4

import psycopg
import pytest

NewDatabase = Callable[[], str]


@pytest.fixture(scope="session")
def new_database() -> Iterator[NewDatabase]:
    """Called, it makes a database on the server that the suite runs on and returns its URL; the empty string where
    that is SQLite, which each installation has for itself."""
    server = os.environ.get("DATABASE_URL", "")
    if not server.startswith("postgres"):
        yield str
        return
    with ExitStack() as made, psycopg.connect(server, autocommit=True) as database:

        def make() -> str:
            name = f"faults_{uuid4().hex[:12]}"
            database.execute(f"CREATE DATABASE {name}".encode())
            made.callback(database.execute, f"DROP DATABASE {name} WITH (FORCE)".encode())
            return f"{server.rsplit('/', 1)[0]}/{name}"

        yield make
        made.close()


@pytest.fixture(scope="session")
def is_long() -> bool:
    """Whether there is time: `make faults` sets it, CI does not."""
    return os.environ.get("FAULTS_LONG") == "1"
