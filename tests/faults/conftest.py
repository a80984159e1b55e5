"""Databases of their own for the installations that are broken here, one seed a run, and the longest files first."""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from uuid import uuid4

import psycopg
import pytest

NewDatabase = Callable[[], str]
# They take minutes each: who begins with a short one waits for one of them in the end.
LONGEST = ("test_outages.py", "test_random.py", "test_kills.py", "test_sockets.py")


def pytest_configure() -> None:
    """Before the processes that share the tests are started, which get it from here."""
    os.environ.setdefault("FAULTS_SEED", str(random.SystemRandom().randrange(10**6)))


@pytest.hookimpl(trylast=True)  # after those who shuffle
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(
        key=lambda item: next((n for n, name in enumerate(LONGEST) if name in item.nodeid), len(LONGEST))
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.write_line(f"FAULTS_SEED={os.environ['FAULTS_SEED']} repeats what chance decided here.")


@pytest.fixture(scope="session")
def seed() -> int:
    """Of all that chance decides."""
    return int(os.environ["FAULTS_SEED"])


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
