"""What the action server writes to its standard error."""

import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from .conftest import ROOT, Server


@pytest.mark.parametrize(
    "sent", [b"no HTTP\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"GET / HTTP/1.1\r\nx y\r\n\r\n", b"\xff" * 99999]
)
def test_who_has_no_key_writes_nothing_there(
    start_server: Callable[..., Server], tmp_path: Path, sent: bytes
) -> None:
    log = tmp_path / "log"
    with log.open("ab") as file:
        server = start_server(stderr=file)
    for _ in range(3):
        with closing(socket.create_connection(("127.0.0.1", server.announced["port"]))) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass
    assert server.request("GET", "/health")[0] == 200
    server.stop()
    assert log.read_text() == ""


@pytest.mark.parametrize(
    "written",
    [
        "logging.getLogger('asyncio').error('%s %s', number, 'é' * 500)",
        "print(number, 'é' * 500, file=sys.stderr)",
    ],
)
def test_a_log_begins_anew_when_it_is_full(tmp_path: Path, written: str) -> None:
    log = tmp_path / "log"
    script = (
        "import logging, sys; from sandboxes.action_server import log; log.prepare()\n"
        f"for number in range(3000): {written}\n"
        "logging.info('x' * 10**7); logging.info('the end')"
    )
    with log.open("ab") as file:
        subprocess.run([sys.executable, "-c", script], cwd=ROOT, stderr=file, check=True)
    assert log.stat().st_size < 300_000
    assert "2999 éé" in log.read_text()
    assert log.read_text().endswith("the end\n")


def test_what_is_no_log_of_its_own_is_not_cut(tmp_path: Path) -> None:
    script = (
        "import logging; from sandboxes.action_server import log; log.prepare()\n"
        "for _ in range(1000): logging.error('x' * 1000)"
    )
    with (tmp_path / "log").open("wb") as file:
        subprocess.run([sys.executable, "-c", script], cwd=ROOT, stderr=file, check=True)
    assert (tmp_path / "log").stat().st_size > 1_000_000
    printed = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True)
    assert len(printed.stderr) > 1_000_000
