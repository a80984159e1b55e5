"""`manage.py up` as a whole, with real processes."""

import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from openhands_site.survivors import started_at
from tests.journeys.installation import Installation

pytestmark = [pytest.mark.service("redis"), pytest.mark.timeout(120)]


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def children(installation: Installation) -> list[int]:
    return [int(pid) for pid in json.loads((installation.home / "up.processes").read_text())]


def are_gone(pids: list[int]) -> bool:
    return not any(started_at(pid) for pid in pids)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("up") / "home", SANDBOX_BACKEND="memory") as installation:
        wait_for(lambda: "Ctrl-C ends it." in installation.log.read_text())
        yield installation


def test_with_json_every_process_writes_one_object_a_line(tmp_path: Path) -> None:
    with Installation(tmp_path / "home", SANDBOX_BACKEND="memory", LOG_JSON="1", LOG_LEVEL="DEBUG") as up:
        httpx.get(f"{up.url}/accounts/login/", trust_env=False)
        wait_for(lambda: "ready." in up.log.read_text())  # a worker says so
        wait_for(lambda: "Ctrl-C ends it." in up.log.read_text())
    lines = [json.loads(line) for line in up.log.read_text().splitlines()]
    assert all({"message", "severity", "timestamp"} <= line.keys() for line in lines)
    assert {line.get("request") for line in lines} >= {"GET /accounts/login/"}
    said_by = {line.get("logger", "").partition(".")[0] for line in lines}
    assert said_by >= {"openhands_site", "django_structlog", "celery"}
    assert {line.get("process") for line in lines} >= {"redis"}
    assert not [line for line in lines if line["severity"] == "CRITICAL"]
    assert any("manage.py sign_in_link" in line["message"] for line in lines)
    assert "/sign-in/" not in up.log.read_text()
    assert up.process.returncode == 0


def test_the_first_start_prints_a_link_that_signs_in_and_the_log_hides_its_token(up: Installation) -> None:
    link = next(word for word in up.log.read_text().split() if "/sign-in/" in word)
    assert httpx.get(link, trust_env=False).status_code == 200
    wait_for(lambda: "/sign-in/…" in up.log.read_text())
    assert up.log.read_text().count(link.rpartition("/sign-in/")[2]) == 1


def test_nothing_is_left_when_it_is_killed_and_the_next_start_works(up: Installation) -> None:
    wait_for(lambda: len(children(up)) == 4)
    first = children(up)
    up.process.send_signal(signal.SIGKILL)
    up.process.wait()
    wait_for(lambda: are_gone(first), 5)
    up.start()
    wait_for(lambda: len(children(up)) == 4)
    assert not set(first) & set(children(up))


def test_workers_hear_again_after_redis_died(up: Installation) -> None:
    wait_for(lambda: len(children(up)) == 4)
    redis = next(pid for pid in children(up) if b"redis" in Path(f"/proc/{pid}/cmdline").read_bytes())
    os.kill(redis, signal.SIGKILL)
    wait_for(lambda: redis not in children(up))
    wait_for(lambda: "workers    Every queue" in up.manage("doctor", check=False).stdout, 40)


def test_a_second_start_in_the_same_folder_is_refused_with_a_sentence(up: Installation) -> None:
    second = up.manage("up", check=False)
    assert second.returncode == 1
    assert f"OpenHands runs already in {up.home} (process {up.process.pid})" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_port_that_is_taken_is_refused_with_a_sentence(tmp_path: Path) -> None:
    up = Installation(tmp_path / "home", SANDBOX_BACKEND="memory")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", up.port))
        taken.listen()
        refused = up.manage("up", check=False)
    assert refused.returncode == 1
    assert f"Port {up.port} is taken by another program; set PORT to a free one." in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_database_of_another_installation_is_refused_with_a_sentence(tmp_path: Path) -> None:
    up = Installation(tmp_path / "home", SANDBOX_BACKEND="memory", OPENHANDS_INSTALLATION_ID="first")
    up.manage("migrate", "--verbosity=0")
    up.manage("shell", "-c", "from openhands_site.checks import claim_database; claim_database()")
    up.environment["OPENHANDS_INSTALLATION_ID"] = "second"
    refused = up.manage("up", check=False)
    assert refused.returncode == 1
    assert "belongs to the installation first, and this is second" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "http"), ("SANDBOX_BACKEND", "cloud"), ("LOG_JSON", "x")]
)
def test_a_wrong_variable_stops_the_start_with_a_sentence(tmp_path: Path, name: str, value: str) -> None:
    refused = Installation(tmp_path / "home", **{name: value}).manage("up", check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"{name} is '{value}'; set ")
    assert len(refused.stderr.splitlines()) == 1


def test_a_database_that_does_not_answer_stops_the_start_with_a_sentence(tmp_path: Path) -> None:
    home = tmp_path / "home"
    refused = Installation(home, DATABASE_URL="sqlite:////nowhere/at/all.sqlite3").manage("up", check=False)
    assert refused.returncode == 1
    assert "The database does not answer; check DATABASE_URL." in refused.stderr
    assert "Traceback" not in refused.stderr
