"""A PostgreSQL of our own for the time of a measurement, with the settings that it has by itself."""

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from benchmarks.machine import free_port


def find_programs() -> Path | None:
    """The folder of PostgreSQL's programs, the newest that is installed."""
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    on_path = shutil.which("initdb")
    return installed[-1] if installed else Path(on_path).parent if on_path else None


@contextmanager
def cluster() -> Iterator[str]:
    """Its URL, without a database's name. It syncs to the disk at each commit, as one in earnest would."""
    programs = find_programs()
    assert programs, "no PostgreSQL is installed on this machine; give the URL of one"
    with tempfile.TemporaryDirectory(prefix="bench-postgres-") as folder:
        port = free_port()
        data = Path(folder) / "data"
        Path(folder).chmod(0o755)
        data.mkdir()
        as_its_user: list[str] = []
        if os.getuid() == 0:  # it refuses to run as root
            shutil.chown(data, "postgres")
            as_its_user = ["runuser", "-u", "postgres", "--"]
        _run([*as_its_user, str(programs / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres"])
        options = (
            f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections=300"
        )
        control = [*as_its_user, str(programs / "pg_ctl"), "-D", str(data), "-w", "-s"]
        _run([*control, "-l", str(data / "log"), "-o", options, "start"])
        try:
            yield f"postgres://postgres@127.0.0.1:{port}"
        finally:
            _run([*control, "-m", "immediate", "stop"])


@contextmanager
def database(server_url: str) -> Iterator[str]:
    """The URL of a new database there, which is dropped at the end."""
    name = f"bench_{uuid.uuid4().hex[:12]}"
    _execute(server_url, f"CREATE DATABASE {name}")
    try:
        yield f"{server_url}/{name}"
    finally:
        _execute(server_url, f"DROP DATABASE {name} WITH (FORCE)")


def _execute(server_url: str, statement: str) -> None:
    with psycopg.connect(f"{server_url}/postgres", autocommit=True) as connection:
        connection.execute(statement.encode())


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL)
