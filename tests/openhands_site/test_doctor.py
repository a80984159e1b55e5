from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django import Settings

from openhands_site import doctor
from openhands_site.work import report
from openhands_site.workers.models import Installation
from tests.fakes.redis_process import RedisProcess

pytestmark = pytest.mark.django_db


def test_a_migrated_database_is_well() -> None:
    assert "every migration is applied" in doctor.database()


def test_the_database_of_another_installation_is_a_problem() -> None:
    Installation.objects.create(name="theirs")
    with pytest.raises(doctor.Problem, match="belongs to the installation theirs; set OPENHANDS_HOME"):
        doctor.database()


def test_the_room_on_the_disk_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert f"GB are free where {settings.OPENHANDS_HOME} is." in doctor.disk()
    monkeypatch.setattr(doctor, "ROOM_BYTES", 2**80)
    with pytest.raises(doctor.Problem, match=r"too little\. Make room"):
        doctor.disk()


def test_a_redis_that_is_away_names_the_remedy(settings: Settings) -> None:
    settings.REDIS_URL, settings.REDIS_IS_PRIVATE = "unix:///nowhere/redis.sock", False
    with pytest.raises(doctor.Problem, match=r"check REDIS_URL\."):
        doctor.redis()
    with pytest.raises(doctor.Problem, match="Without Redis"):
        doctor.workers()


@pytest.mark.service("redis")
def test_a_redis_that_answers_is_well(settings: Settings, tmp_path: Path) -> None:
    with RedisProcess(tmp_path / "redis.sock") as process:
        settings.REDIS_URL = process.url
        assert "answers" in doctor.redis()


def test_the_stand_in_is_not_asked_and_says_where_a_model_is_connected(settings: Settings) -> None:
    settings.LLM_MODEL = "scripted/demo"
    assert "set LLM_MODEL and LLM_API_KEY" in doctor.model()


def test_a_model_that_cannot_be_is_a_problem(settings: Settings) -> None:
    settings.LLM_MODEL = "http://no model"
    with pytest.raises(doctor.Problem, match="Check LLM_MODEL"):
        doctor.model()


def test_one_problem_is_enough_for_the_command_to_fail(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    with pytest.raises(CommandError, match="Something is wrong with: redis, workers"):
        call_command("doctor")
    printed = capsys.readouterr().out
    assert [line.split()[1] for line in printed.splitlines()] == [*doctor.QUESTIONS, *report.QUESTIONS]


def test_a_database_that_fails_is_a_problem_of_the_work_too(capsys: pytest.CaptureFixture[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE conversations_event RENAME TO gone")
    with pytest.raises(CommandError, match="work"):
        call_command("doctor", "--mend")
    printed = capsys.readouterr().out
    assert "wrong  mend       The database failed" in printed
    assert "wrong  work       It cannot be read" in printed
