"""Workers killed and frozen again and again, at every named point and at random times, on 20 conversations at once.

The random run prints its seed; `FAULTS_SEED` repeats it.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.faults.conftest import NewDatabase
from tests.faults.deployment import Farm, await_value, signal_to

pytestmark = [pytest.mark.service("bwrap"), pytest.mark.service("redis"), pytest.mark.timeout(900)]
POINTS = [
    *("sandbox-lease-taken", "sandbox-started", "sandbox-recorded", "sandbox-ready"),
    *("agent-lease-taken", "agent-loaded", "agent-writing", "agent-appended"),
    *("agent-call-opened", "agent-reply-received"),
    *("agent-action-unsent", "agent-action-done", "agent-action-stored"),
    *("agent-rest", "agent-rested"),
]
FAULTS = 200
CONVERSATIONS = 20
WORKERS = ("one", "two", "three", "four", "five", "six")


@pytest.fixture
def farm(tmp_path: Path, new_database: NewDatabase) -> Iterator[Farm]:
    # Dead after 2 s in place of 6, so that three times as much happens in a minute.
    with Farm(tmp_path / "home", database_url=new_database(), WORKER_DEAD_AFTER="2") as farm:
        yield farm


@pytest.fixture
def api(farm: Farm) -> Iterator[httpx.Client]:
    with farm.api() as api:
        yield api


def test_a_worker_killed_at_every_point_of_one_conversation_loses_and_doubles_nothing(
    farm: Farm, api: httpx.Client
) -> None:
    farm.points.arm(POINTS[0], "kill")
    farm.start_worker("one")
    task = farm.begin(api, steps=14, seconds=0.1)
    for point, following in zip(POINTS, [*POINTS[1:], ""], strict=True):
        farm.points.await_reached(point)
        if following:
            farm.points.arm(following, "kill")
        farm.start_worker("one")
    task.await_state("finished")
    await_value(
        lambda: not farm.query("SELECT 1 FROM conversations_conversation WHERE due_since IS NOT NULL")
    )
    task.check()
    assert task.ran() == task.words

    sandbox = task.sandbox_id()
    farm.points.arm("sandbox-lease-taken", "kill")
    api.delete(f"/conversations/{task.id}").raise_for_status()
    farm.points.await_reached("sandbox-lease-taken")
    farm.points.arm("sandbox-ended", "kill")
    farm.start_worker("one")
    farm.points.await_reached("sandbox-ended")
    farm.start_worker("one")
    await_value(lambda: not farm.query("SELECT 1 FROM sandboxes_sandbox"))
    assert not list((farm.home / "sandboxes").glob(f"{sandbox}*"))


def test_a_worker_frozen_for_30_s_writes_nothing_that_counts_when_it_wakes(
    farm: Farm, api: httpx.Client
) -> None:
    """One is frozen with an action in hand that it has not sent, one with a model's reply that is not stored, and one
    in the middle of writing: PostgreSQL takes its lock from it, and SQLite would keep everybody waiting."""
    points = ["agent-action-unsent", "agent-reply-received"]
    points += ["agent-writing"] if "DATABASE_URL" in farm.environment else []
    frozen, tasks = [], []
    for number, point in enumerate(points):
        farm.points.arm(point)
        farm.start_worker(f"frozen{number}")
        tasks.append(farm.begin(api, steps=4))
        farm.points.await_reached(point)
        frozen.append(farm.freeze(f"frozen{number}"))
        farm.points.release(point)
    since = time.monotonic()
    farm.start_worker("taker")
    for task in tasks:
        task.await_state("finished")
    logs = [task.events() for task in tasks]
    time.sleep(max(0.0, since + 30 - time.monotonic()))
    for pid in frozen:
        os.kill(pid, signal.SIGCONT)
    time.sleep(3)
    for task, log in zip(tasks, logs, strict=True):
        assert task.events() == log
        task.check()
        assert task.ran() == task.words


def test_200_kills_and_freezes_at_random_times_lose_and_double_nothing(
    farm: Farm, api: httpx.Client, seed: int, is_long: bool
) -> None:
    chance = random.Random(seed)
    for name in WORKERS:
        farm.start_worker(name)
    tasks = [farm.begin(api, steps=10, seconds=1) for _ in range(CONVERSATIONS)]
    storm = Storm(farm, chance)
    for number in range(FAULTS * (5 if is_long else 1)):
        storm.strike()
        task = tasks[number % len(tasks)]
        if task.conversation()["agent_state"] == "finished":
            task.go_on(steps=10, seconds=1)
    storm.calm()
    for task in tasks:
        task.await_state("finished", seconds=120)
        task.check()
        assert task.ran() == task.words
    check_fences(farm)


class Storm:
    """Kills and freezes, one worker after the other; each comes back a little later."""

    def __init__(self, farm: Farm, chance: random.Random) -> None:
        self.farm, self.chance = farm, chance
        self.victims = self._in_turn()
        self.returning: list[threading.Thread] = []
        self.away: set[str] = set()

    def strike(self) -> None:
        time.sleep(self.chance.uniform(0.05, 0.4))
        victim, kind = next(self.victims), self.chance.choice(["kill", "freeze"])
        away = self.chance.uniform(0.1, 0.6) if kind == "kill" else self.chance.uniform(0.3, 3.5)
        await_value(lambda: victim not in self.away)
        signal_to(self.farm.workers[victim], signal.SIGKILL if kind == "kill" else signal.SIGSTOP)
        self.away.add(victim)
        thread = threading.Thread(target=self._bring_back, args=(victim, kind, away))
        thread.start()
        self.returning.append(thread)

    def calm(self) -> None:
        for thread in self.returning:
            thread.join()

    def _in_turn(self) -> Iterator[str]:
        """All of them in an order of chance, then all in another: few strikes have to wait for who is away."""
        while True:
            yield from self.chance.sample(WORKERS, len(WORKERS))

    def _bring_back(self, victim: str, kind: str, away: float) -> None:
        time.sleep(away)
        if kind == "kill":
            self.farm.start_worker(victim)
        else:
            signal_to(self.farm.workers[victim], signal.SIGCONT)
        self.away.discard(victim)


def check_fences(farm: Farm) -> None:
    """Whoever called the model held the lease that was the newest then: fences only grow, and each call is settled."""
    rows = farm.query(
        "SELECT conversation_id, fence, status FROM conversations_llmcall ORDER BY created_at, id"
    )
    assert {status for _, _, status in rows} <= {"done", "estimated", "cancelled"}
    highest: dict[str, int] = {}
    for conversation, fence, _ in rows:
        assert fence >= highest.get(str(conversation), 0), f"an old fence called the model for {conversation}"
        highest[str(conversation)] = fence
