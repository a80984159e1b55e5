"""What `manage.py up` makes sure of before it starts anything, each refusal a sentence on what to do."""

import errno
import fcntl
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import DatabaseError

from openhands_site import checks, health, redis_server

REDIS_SECONDS = 10


def lock_home(home: Path) -> IO[str]:
    """The data folder is ours as long as the returned file is open. Raises CommandError where another has it."""
    home.mkdir(parents=True, exist_ok=True)
    lock = (home / "up.lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.seek(0)
        raise CommandError(
            f"OpenHands runs already in {home} (process {lock.read().strip() or 'unknown'}); end that one, "
            "or set OPENHANDS_HOME and PORT to start another beside it."
        ) from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def check_port(host: str, port: int) -> None:
    """Raises CommandError where the web server could not listen there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError as error:
            remedy = {
                errno.EADDRINUSE: f"Port {port} is taken by another program; set PORT to a free one.",
                errno.EACCES: f"Port {port} needs more rights than we have; set PORT to one from 1024 on.",
            }
            raise CommandError(
                remedy.get(error.errno or 0, f"HOST={host} is no address of this machine; set HOST to one.")
            ) from error


def prepare_database() -> int:
    """Brings the database up to date and makes it ours. Returns how many migrations were due."""
    with answering_database():
        for message in checks.check_installation(None, ["default"]):
            raise CommandError(f"{message.msg} {message.hint}")
        due = health.pending_migrations()
        call_command("migrate", interactive=False, verbosity=0)
        checks.claim_database()
    return due


@contextmanager
def answering_database() -> Iterator[None]:
    """Says it in a sentence where the database does not."""
    try:
        yield
    except DatabaseError as error:
        raise CommandError(
            f"The database does not answer; check DATABASE_URL. It says: {error}".strip()
        ) from error


def missing_assets() -> str:
    """That no page can be shown, and what to do about it; empty where what the pages need has been built."""
    if settings.DEBUG or (Path(settings.STATIC_ROOT) / "staticfiles.json").exists():
        return ""
    return (
        "The front end is not built, so there are no pages: end this, and run `make build` (or `make run`)."
    )


def redis_command(socket_path: Path) -> list[str]:
    """How to run the private Redis, its folder made. Raises CommandError where there is none to run."""
    server = redis_server.find_server()
    if server is None:
        raise CommandError(
            "No redis-server was found; install one (Debian: apt-get install redis-server), or set REDIS_URL "
            "to one that runs, or use Python 3.11 or 3.12, for which one comes with the packages."
        )
    try:
        redis_server.prepare_folder(socket_path)
    except OSError as error:
        raise CommandError(
            f"Redis has no place for its socket: {error}. Set OPENHANDS_HOME elsewhere."
        ) from error
    return redis_server.command(server, socket_path)


def await_redis(said: Callable[[], str]) -> None:
    """Returns when Redis answers; raises CommandError with what it `said` when it does not within 10 s."""
    until = time.monotonic() + REDIS_SECONDS
    while health.redis_state() != "ok":
        if time.monotonic() > until:
            raise CommandError(f"Redis does not answer; if REDIS_URL is set, check it. {said()}".strip())
        time.sleep(0.02)
