"""Redis, the database and the disk away while conversations run: they go on, or wait and go on by themselves."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.fakes.small_disk import SmallDisk
from tests.fakes.tcp_proxy import TcpProxy
from tests.faults.conftest import NewDatabase
from tests.faults.deployment import Deployment, Farm, Task, await_value
from tests.stopwatch import Stopwatch

pytestmark = [pytest.mark.service("bwrap"), pytest.mark.service("redis"), pytest.mark.timeout(400)]
PATIENCE_SECONDS = 2  # of a person before a page
STOLEN = "the conversation was taken over or deleted"


@pytest.fixture
def farm(tmp_path: Path, new_database: NewDatabase) -> Iterator[Farm]:
    with Farm(tmp_path / "home", database_url=new_database()) as farm:
        farm.start_worker("one")
        farm.start_worker("two")
        yield farm


def quickly(ask: Callable[[], httpx.Response]) -> httpx.Response:
    begun = time.monotonic()
    answer = ask().raise_for_status()
    assert time.monotonic() - begun < PATIENCE_SECONDS
    return answer


@pytest.mark.parametrize("kind", ["killed", "frozen"])
def test_with_redis_away_for_a_minute_everything_goes_on(farm: Farm, kind: str) -> None:
    with farm.api() as api:
        running = farm.begin(api, steps=80, seconds=0.5)
        running.await_words(3)
        farm.redis.stop() if kind == "killed" else farm.redis.freeze()
        since = time.monotonic()
        begun = farm.begin(api, steps=5)
        begun.await_state("finished")
        begun.go_on(steps=2)
        begun.await_state("running", seconds=10)
        begun.await_state("finished")
        sleeper = farm.begin(api, steps=1, seconds=600)
        sleeper.await_words(1)
        assert_stopped_at_once(sleeper)
        while time.monotonic() < since + 60:
            count = len(running.ran())
            for address in ("/conversations", f"/conversations/{running.id}"):
                quickly(lambda address=address: api.get(address))  # type: ignore[misc]
            time.sleep(2)
            assert len(running.ran()) > count or running.conversation()["agent_state"] == "finished"
        farm.redis.start() if kind == "killed" else farm.redis.thaw()
        running.await_state("finished", seconds=90)
        for task in (running, begun):
            task.check()
            assert task.ran() == task.words
        after = farm.begin(api, steps=1)
        after.await_state("finished")
        after.check()


def assert_stopped_at_once(task: Task) -> None:
    """Acknowledged and on record within a second."""
    with Stopwatch() as taken:
        task.order("stop")
        while task.conversation()["agent_state"] != "stopped":
            assert taken.seconds < 1
            time.sleep(0.02)


def test_with_the_database_away_for_ten_seconds_nothing_is_lost_or_taken_from_the_living(
    tmp_path: Path, new_database: NewDatabase
) -> None:
    """SQLite: another process holds the lock of writers. PostgreSQL: the line to it is cut."""
    database_url = new_database()
    address = urlsplit(database_url)
    if not database_url:
        with Farm(tmp_path / "home") as farm:
            bear(farm, lambda: hold_lock(tmp_path / "home" / "openhands.sqlite3", 10))
        return
    with TcpProxy(str(address.hostname), address.port or 5432) as line:
        user = f"{address.username}{f':{address.password}' if address.password else ''}"
        url = f"postgres://{user}@127.0.0.1:{line.port}{address.path}"

        def away() -> None:
            line.cut()
            time.sleep(10)
            line.mend()

        with Farm(tmp_path / "home", database_url=url) as farm:
            bear(farm, away)


def bear(farm: Farm, away: Callable[[], None]) -> None:
    farm.start_worker("one")
    farm.start_worker("two")
    with farm.api() as api:
        tasks = [farm.begin(api, steps=14, seconds=0.5) for _ in range(4)]
        for task in tasks:
            task.await_words(4)
        away()
        for task, count in [(task, len(task.ran())) for task in tasks]:
            task.await_progress(count)
        for task in tasks:
            task.await_state("finished")
            task.check()
            assert task.ran() == task.words
    said = farm.log.read_text()
    assert "the sandbox is ready" in said  # what is told as quietly is there
    assert STOLEN not in said


def hold_lock(path: Path, seconds: float) -> None:
    database = sqlite3.connect(path, isolation_level=None, timeout=30)
    try:
        database.execute("BEGIN IMMEDIATE")
        time.sleep(seconds)
        database.execute("ROLLBACK")
    finally:
        database.close()


@pytest.mark.service("tmpfs")
def test_with_the_disk_full_in_the_middle_of_a_step_the_work_waits_and_goes_on_after(
    tmp_path: Path, new_database: NewDatabase
) -> None:
    with (
        SmallDisk(tmp_path / "small", 96) as disk,
        Deployment(disk.folder / "home", database_url=new_database()) as deployment,
        deployment.api() as api,
    ):
        task = deployment.begin(api, steps=30)
        task.await_words(8)
        disk.fill()
        time.sleep(5)
        told = api.post(f"/conversations/{task.id}/messages", json={"text": "long " * 30_000})
        assert told.status_code == 507
        assert "disk" in told.json()["error"]["message"]
        words = len(task.ran())
        disk.make_room()
        task.await_progress(words, seconds=30)
        task.await_state("finished")
        # A command writes its word to the same disk: those for which there was no room have failed, and say so.
        outcomes = [e["payload"] for e in task.events() if e["kind"] == "observation"]
        assert "lost" not in {payload["outcome"] for payload in outcomes}
        assert len(task.ran()) >= 20
        await_value(
            lambda: (
                not deployment.query("SELECT 1 FROM conversations_conversation WHERE due_since IS NOT NULL")
            )
        )
