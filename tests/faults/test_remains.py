"""After conversations that were broken in every way and then deleted, everything is as it was before them."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.faults.conftest import NewDatabase
from tests.faults.deployment import Deployment, await_value, descendants, processes
from tests.faults.test_kills import action_server_of

pytestmark = [pytest.mark.service("bwrap"), pytest.mark.service("redis"), pytest.mark.timeout(300)]
TABLES = ["conversations_conversation", "conversations_event", "conversations_llmcall", "sandboxes_sandbox"]
TABLES += ["sandboxes_runtime", "conversations_blob", "conversations_fileremoval"]
TO_BE_REMOVED = "SELECT 1 FROM sandboxes_sandbox UNION SELECT 1 FROM conversations_fileremoval"
CONVERSATIONS = 6
PROGRAMS = ("web", "agent", "background", "redis")


@pytest.fixture
def deployment(tmp_path: Path, new_database: NewDatabase) -> Iterator[Deployment]:
    with Deployment(tmp_path / "home", database_url=new_database()) as deployment:
        yield deployment


class Remains:
    """What there is: rows, folders, processes, ports and descriptors, each under a name."""

    def __init__(self, deployment: Deployment, api: httpx.Client) -> None:
        api.get("/conversations").raise_for_status()
        pids = {name: deployment.pid_of(name) for name in PROGRAMS}
        below = descendants(deployment.process.pid)
        mark = str(deployment.home)
        self.counts = {
            **{table: int(deployment.query(f"SELECT count(*) FROM {table}")[0][0]) for table in TABLES},
            "workers": int(deployment.query("SELECT count(*) FROM workers_worker")[0][0]),
            "folders": len(list((deployment.home / "sandboxes").glob("*"))),
            "folders of blobs": len(list((deployment.home / "blobs").glob("*"))),
            "programs": len(below),
            "processes of sandboxes": len(
                [pid for pid, _, line in processes() if f"{mark}/sandboxes" in line]
            ),
            "ports": len(listening({deployment.process.pid, *below})),
        }
        self.descriptors = {name: len(os.listdir(f"/proc/{pid}/fd")) for name, pid in pids.items()}


def listening(pids: set[int]) -> set[str]:
    """The inodes of the TCP sockets on which these processes listen."""
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{name}").read_text().splitlines()
    ]
    inodes = {row[9] for row in rows if row[3] == "0A"}
    held = set()
    for pid in pids:
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            target = os.readlink(descriptor) if descriptor.is_symlink() else ""
            if target.startswith("socket:["):
                held.add(target.removeprefix("socket:[").removesuffix("]"))
    return inodes & held


def test_rows_folders_processes_ports_and_descriptors_are_what_they_were(deployment: Deployment) -> None:
    with deployment.api() as api:
        play_out(deployment, api)
        before = Remains(deployment, api)
        break_everything(deployment, api)
        # The row of a killed worker stays for a day, and says that it is dead.
        deployment.query(
            "DELETE FROM workers_worker WHERE id NOT IN (SELECT id FROM workers_worker ORDER BY last_seen DESC LIMIT 2)"
        )
        await_value(lambda: Remains(deployment, api).counts == before.counts)

        # What a process opens once, or once a thread, it opens now; what it opened for each conversation would tell.
        play_out(deployment, api)
        warm = Remains(deployment, api)
        for _ in range(2):
            play_out(deployment, api)
        after = Remains(deployment, api)
        assert after.counts == before.counts
        for name, count in after.descriptors.items():
            assert count < warm.descriptors[name] + CONVERSATIONS, f"{name} keeps descriptors open"


def play_out(deployment: Deployment, api: httpx.Client) -> None:
    """Conversations that nothing happens to, from their beginning to their deletion."""
    for task in [deployment.begin(api, steps=3, seconds=0.1) for _ in range(CONVERSATIONS)]:
        task.await_state("finished")
        api.delete(f"/conversations/{task.id}").raise_for_status()
    await_value(lambda: not deployment.query(TO_BE_REMOVED))


def break_everything(deployment: Deployment, api: httpx.Client) -> None:
    """Conversations to which everything happens, deleted in the end."""
    tasks = [deployment.begin(api, steps=12) for _ in range(CONVERSATIONS)]
    for task in tasks:
        task.await_words(3)
    os.kill(action_server_of(deployment, tasks[0]), signal.SIGKILL)
    tasks[1].order("stop")
    tasks[2].order("pause")
    api.post(f"/conversations/{tasks[2].id}/messages", json={"text": "long " * 30_000}).raise_for_status()
    api.delete(f"/conversations/{tasks[3].id}").raise_for_status()
    for program in PROGRAMS:
        deployment.kill(program)
    for task in (tasks[0], tasks[4], tasks[5]):
        task.await_state("finished", seconds=90)
        task.check(lost=1)
    for task in tasks:
        if task is not tasks[3]:
            api.delete(f"/conversations/{task.id}").raise_for_status()
    await_value(lambda: not deployment.query(TO_BE_REMOVED))


def test_nothing_is_left_when_the_server_has_ended(tmp_path: Path, new_database: NewDatabase) -> None:
    with Deployment(tmp_path / "home", database_url=new_database()) as deployment, deployment.api() as api:
        task = deployment.begin(api, steps=30)
        task.await_words(3)
        deployment.stop()
        mark = str(deployment.home)
        assert not [line for _, _, line in processes() if mark in line]
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", deployment.port))
        assert not list((deployment.home / "redis").glob("*"))
        deployment.start()
        task.await_state("finished", seconds=90)
        task.check(lost=1)
