"""Starting and ending: the key, the announcement, and that nothing is left behind."""

import http.client
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.stopwatch import Stopwatch

from .conftest import KEY, ROOT, Conversation, Server, eventually, is_alive

Start = Callable[..., Server]


def test_the_announcement_names_pid_port_boot_and_start(start_server: Start) -> None:
    server = start_server()
    assert server.announced.keys() == {"pid", "port", "boot_id", "started_at"}
    assert server.announced["pid"] == server.process.pid
    assert abs(server.announced["started_at"] - time.time()) < 20
    assert json.loads((server.folder / "announced").read_text()) == server.announced


def test_each_start_is_a_new_boot(start_server: Start) -> None:
    assert start_server().boot_id != start_server().boot_id


@pytest.mark.parametrize("key_on_stdin", [False, True])
def test_the_key_is_nowhere_a_command_can_look(start_server: Start, key_on_stdin: bool) -> None:
    server = start_server(key_on_stdin=key_on_stdin)
    assert server.key_file.exists() is key_on_stdin
    conversation = Conversation(server)
    search = (
        "env; set; for one in /proc/[0-9]*; do tr '\\0' ' ' <$one/cmdline; tr '\\0' ' ' <$one/environ; done; "
        f"ls -l /proc/{server.process.pid}/fd; cat /proc/{server.process.pid}/fd/0 </dev/null"
    )
    conversation.terminal(f"{{ {search}; }} 2>/dev/null >found")
    found = (server.workspace / "found").read_text(errors="replace")
    assert "action_server" in found
    assert KEY not in found


def test_an_empty_key_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("\n")
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "sandboxes.action_server", "--key-file", str(tmp_path / "key")),
            *("--workspace", str(tmp_path), "--data", str(tmp_path)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.strip() == "The key is empty."


def test_sigterm_ends_every_descendant(start_server: Start, tmp_path: Path) -> None:
    server = start_server()
    conversation = Conversation(server)
    log = tmp_path / "pids"
    conversation.terminal(
        f"sleep 300 & echo $! >> {log}\n"
        f"(setsid sleep 301 & echo $! >> {log})\n"
        f'setsid bash -c \'trap "" TERM HUP INT; echo $$ >> {log}; (sleep 302 & echo $! >> {log}); '
        "while :; do sleep 0.1; done' &\n"
        "sleep 0.3; sleep 303",
        timeout=0.6,
    )
    conversation.terminal(f"nohup sleep 304 >/dev/null & echo $! >> {log}; disown -a", session="other")
    pids = [int(pid) for pid in log.read_text().split()]
    assert len(pids) == 5
    assert all(map(is_alive, pids))
    begun = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - begun < 20
    assert not any(map(is_alive, pids))


def test_an_idle_server_ends_at_once(start_server: Start) -> None:
    server = start_server()
    Conversation(server).terminal("true")
    with Stopwatch() as taken:
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(10) == 0
    assert taken.seconds < 1.5


def test_sigterm_ends_a_server_with_a_running_action(start_server: Start) -> None:
    server = start_server()
    conversation = Conversation(server)

    def ask() -> None:
        with pytest.raises(http.client.HTTPException):
            conversation.terminal("sleep 300")

    asking = threading.Thread(target=ask)
    asking.start()
    assert eventually(lambda: bool(server.request("GET", "/health")[1]["running_actions"]))
    assert server.stop() == 0
    asking.join(10)
    assert not asking.is_alive()


def test_a_command_that_ends_every_python_does_not_mean_the_server(start_server: Start) -> None:
    server = start_server()
    assert "python" not in Path(f"/proc/{server.process.pid}/comm").read_text()


def test_orphans_are_reaped(start_server: Start) -> None:
    server = start_server()
    conversation = Conversation(server)
    pid = int(conversation.text("(sleep 0.1 & echo $!)"))
    assert eventually(lambda: not Path(f"/proc/{pid}").exists())


def test_a_restart_on_the_same_folders_is_clean(start_server: Start) -> None:
    server = start_server()
    Conversation(server).terminal("seq 10000; cd /tmp")
    server.stop()
    outputs = list((server.folder / "data" / "output").iterdir())
    (server.folder / "announced").unlink()
    server.home.rmdir()
    again = Server(server.folder)
    try:
        conversation = Conversation(again)
        assert conversation.text("pwd") == str(server.workspace)
        assert all(path.exists() for path in outputs)
    finally:
        again.stop()
