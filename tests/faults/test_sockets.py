"""Point 6: whoever comes and goes sees every event once and in order, and nobody's bad habit costs the others.

All of it happens at once, in a real Daphne with a real Redis between it and a writer: the long waits of idle and of
deaf clients, and a crowd that reconnects while processes are killed. FAULTS_LONG=1 makes the crowd's minute ten;
FAULTS_SEED repeats a run's choices.
"""

import json
import os
import random
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from accounts.models import User
from accounts.services import create_api_key
from conversations import timeline
from conversations.events import Message
from conversations.services import start_conversation
from conversations.timeline import Draft
from openhands_site import redis_server
from tests.fakes.daphne_process import ROOT, DaphneProcess
from tests.fakes.redis_process import RedisProcess

LONG = os.environ.get("FAULTS_LONG") == "1"
CROWD_SECONDS = 600 if LONG else 60
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.service("redis"),
    pytest.mark.timeout(CROWD_SECONDS + 200),
]

CLIENTS = 100
CONVERSATIONS = 4
LONG_EVENTS = 5_000  # of 4 kB each: 20 MB, more than anybody may cost
DEAF = 8
# Daphne asks every 20 s and gives up 30 s later.
DROPPED_SECONDS = 60
IDLE_SECONDS = 120
MEGABYTE = 1024 * 1024


class Stage:
    """The servers, and what the clients are told of them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.seed = seed
        self.redis = RedisProcess(redis_server.private_socket(folder))
        self.log = folder / "daphne.log"
        self.crowded, self.steady, self.baseline = (
            DaphneProcess(self.redis.url, log=self.log) for _ in range(3)
        )
        owner = User.objects.create_user("crowd@example.com", "correct horse battery")
        self.key = create_api_key(user=owner, name="crowd")[1]
        make = [start_conversation(owner=owner, text="Begin").pk for _ in range(CONVERSATIONS + 3)]
        self.long, self.quiet, self.neighbour, *self.busy = make
        for _ in range(LONG_EVENTS // 500):
            timeline.append(
                self.long, *(Draft(Message(text=f"{n}".ljust(4000, ".")), "agent") for n in range(500))
            )

    def play(self) -> dict[str, Any]:
        """What every client saw, and under "logs" what it should have seen."""
        with self.redis, self.steady, self.baseline, ExitStack() as stack:
            patient = self.run("socket_load", json.dumps(self.patient_plan()))
            stack.enter_context(self.crowded)
            crowd = self.run("socket_load", json.dumps(self.crowd_plan()))
            writing = {
                "conversations": [str(pk) for pk in self.busy],
                "seconds": CROWD_SECONDS,
                "seed": self.seed,
            }
            writer = self.run("event_writer", json.dumps(writing))
            try:
                self.misbehave(random.Random(f"{self.seed} faults"))
                logs = result_of(writer)
                seen = result_of(crowd, json.dumps(logs) + "\n")
                return {"logs": logs, **seen, **result_of(patient), "log": self.log.read_text()}
            finally:
                for process in (patient, crowd, writer):
                    process.kill()
                    process.wait()

    def run(self, program: str, plan: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-m", f"tests.faults.{program}", plan]
        environment = self.crowded.environment
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def crowd_plan(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "seed": self.seed,
            "port": self.crowded.port,
            "conversations": [str(pk) for pk in self.busy],
            "clients": CLIENTS,
        }

    def patient_plan(self) -> dict[str, Any]:
        return {
            "key": self.key,
            "seed": self.seed,
            "steady_port": self.steady.port,
            "steady_pid": self.steady.pid,
            "baseline_port": self.baseline.port,
            "baseline_pid": self.baseline.pid,
            "long_conversation": str(self.long),
            "long_events": LONG_EVENTS,
            "quiet_conversation": str(self.quiet),
            "neighbour_conversation": str(self.neighbour),
            "deaf": DEAF,
            "memory_seconds": DROPPED_SECONDS,
            "idle_seconds": IDLE_SECONDS,
        }

    def misbehave(self, chance: random.Random) -> None:
        """A fault every 15 s: in a minute each kind once, in an order of the seed's."""
        faults = [self.kill_redis, self.freeze_redis, self.kill_daphne]
        begun = time.monotonic()
        for start in range(10, CROWD_SECONDS - 10, 15):
            if not (start - 10) % 45:
                chance.shuffle(faults)
            time.sleep(max(0.0, begun + start + chance.uniform(-3, 3) - time.monotonic()))
            faults[(start - 10) // 15 % 3](chance)

    def kill_redis(self, chance: random.Random) -> None:
        self.redis.stop()
        time.sleep(chance.uniform(0.1, 6))
        self.redis.start()

    def freeze_redis(self, chance: random.Random) -> None:
        self.redis.freeze()
        time.sleep(chance.uniform(1, 9))
        self.redis.thaw()

    def kill_daphne(self, chance: random.Random) -> None:
        self.crowded.stop()
        time.sleep(chance.uniform(0, 2))
        self.crowded.start()


def result_of(process: "subprocess.Popen[str]", said: str | None = None) -> dict[str, Any]:
    output, _ = process.communicate(said, timeout=CROWD_SECONDS + 180)
    assert process.returncode == 0, output
    return dict(json.loads(output.splitlines()[-1]))


@pytest.fixture(scope="module")
def seen(
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    seed: int,
) -> dict[str, Any]:
    with django_db_blocker.unblock():
        stage = Stage(tmp_path_factory.mktemp("sockets"), seed)
    return {"seed": seed, **stage.play()}


def test_a_hundred_clients_that_come_and_go_see_every_event_once_and_in_order(seen: dict[str, Any]) -> None:
    crowd, logs = seen["crowd"], seen["logs"]
    assert len(crowd) == CLIENTS
    problems = [client["problems"][0] for client in crowd if client["problems"]]
    assert problems == [], f"{len(problems)} with FAULTS_SEED={seen['seed']}, the first: {problems[0]}"
    for client in crowd:
        assert [client["cursor"], client["digest"]] == logs[client["conversation"]]
    # It was no quiet run: everybody came several times, some before a closed door, and nobody was sent away.
    assert min(client["visits"] for client in crowd) >= 3
    assert sum(client["refusals"] for client in crowd) > 0
    assert {code for client in crowd for code in client["codes"]} <= {1006}
    assert "Traceback" not in seen["log"]
    print(f"{sum(client['visits'] for client in crowd)} visits, logs of", [log[0] for log in logs.values()])


def test_a_client_that_does_not_read_costs_at_most_8_MB_and_is_dropped(seen: dict[str, Any]) -> None:
    cost = seen["memory"]
    print({name: round(cost[name] / MEGABYTE, 1) for name in ("deaf_bytes", "reading_bytes")}, "MB each")
    assert cost["deaf_bytes"] < 8 * MEGABYTE
    assert cost["neighbour_heard_after"] < 3
    assert cost["deaf_were_dropped"] == [True] * DEAF


def test_a_client_that_reads_and_never_says_what_it_has_seen_is_closed_with_4008_after_a_minute(
    seen: dict[str, Any],
) -> None:
    end = seen["never_seen"]
    assert end["code"] == 4008
    assert end["events"] <= 1_000
    assert 58 < end["after"] < 66


def test_a_client_that_hears_nothing_for_two_minutes_lives_and_hears_the_next_event(
    seen: dict[str, Any],
) -> None:
    assert seen["idle"]["heard_after"] < 3
