"""What is asked of an engine of words: a real one would have to be an hour older for it."""

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django import Settings

from openhands_site.workers.models import Installation
from sandboxes import leftovers
from sandboxes.backends.docker.containers import INSTALLATION, SANDBOX
from sandboxes.models import Sandbox
from tests.sandboxes.engine_double import EngineDouble, engine_double

HOUR = 3600


@pytest.fixture
def engine(tmp_path: Path, settings: Settings, db: None) -> Iterator[EngineDouble]:
    settings.SANDBOX_BACKEND = "docker"
    Installation.objects.update_or_create(
        defaults={"name": "test", "made_at": timezone.now() - timedelta(days=1)}
    )
    with engine_double(tmp_path, answers={"/containers/json": [], "/volumes": {"Volumes": None}}) as double:
        settings.DOCKER_HOST = double.address
        yield double


def container(name: str, age: float = HOUR, sandbox_id: uuid.UUID | None = None) -> dict[str, Any]:
    return {"Id": name, "Created": int(time.time() - age), "Labels": labels(sandbox_id)}


def volume(sandbox_id: uuid.UUID, age: float = HOUR) -> dict[str, Any]:
    made_at = datetime.fromtimestamp(time.time() - age, UTC).isoformat(timespec="seconds")
    return {
        "Name": "of no interest",
        "CreatedAt": made_at.replace("+00:00", "Z"),
        "Labels": labels(sandbox_id),
    }


def labels(sandbox_id: uuid.UUID | None) -> dict[str, str]:
    return {INSTALLATION: "test"} | ({SANDBOX: str(sandbox_id)} if sandbox_id else {})


def removed(engine: EngineDouble) -> str:
    """What the engine was told to remove."""
    return " ".join(asked for asked in engine.asked if asked.startswith("DELETE"))


def test_helpers_of_a_start_whose_worker_died_are_removed_and_those_in_use_are_not(
    engine: EngineDouble,
) -> None:
    engine.answers["/containers/json"] = [container("left"), container("young", 60)]
    leftovers.remove()
    assert "/containers/left?" in removed(engine)
    assert "young" not in removed(engine)


def test_containers_and_volumes_of_a_sandbox_without_a_row_are_removed(
    engine: EngineDouble, running: Sandbox, settings: Settings
) -> None:
    settings.SANDBOX_BACKEND = "docker"
    frozen, emptied = uuid.uuid4(), uuid.uuid4()
    engine.answers["/containers/json"] = [
        container("theirs", sandbox_id=running.pk),
        container("frozen", sandbox_id=frozen),
    ]
    engine.answers["/volumes"] = {"Volumes": [volume(running.pk), volume(frozen), volume(emptied)]}
    leftovers.remove()
    for sandbox_id in (frozen, emptied):
        assert f"/containers/openhands-{settings.INSTALLATION_ID}-{sandbox_id}?" in removed(engine)
        assert f"{sandbox_id}-workspace" in removed(engine)
    assert str(running.pk) not in removed(engine)
    assert "theirs" not in removed(engine)


def test_what_may_be_in_use_and_what_is_older_than_the_database_stays(engine: EngineDouble) -> None:
    """`doctor` makes a sandbox without a row; and whoever tries another database has another's sandboxes beside it."""
    at_work, anothers = uuid.uuid4(), uuid.uuid4()
    engine.answers["/containers/json"] = [
        container("at work", 60, at_work),
        container("another's", 48 * HOUR),
        container("another's", 2 * HOUR, anothers),
    ]
    engine.answers["/volumes"] = {"Volumes": [volume(at_work), volume(anothers, 48 * HOUR)]}
    leftovers.remove()
    assert removed(engine) == ""


def test_an_engine_that_is_away_is_asked_again_another_time(settings: Settings, db: None) -> None:
    settings.SANDBOX_BACKEND = "docker"
    settings.DOCKER_HOST = "unix:///nonexistent/docker.sock"
    Installation.objects.get_or_create(defaults={"name": "test"})
    leftovers.remove()
