"""Commands that need the database, on one that is new, out of date or away."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def manage(home: Path, *command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    unset = {"DATABASE_URL", "REDIS_URL", "OPENHANDS_INSTALLATION_ID"}
    inherited = {name: value for name, value in os.environ.items() if name not in unset}
    settings = {"DJANGO_SETTINGS_MODULE": "openhands_site.settings", "OPENHANDS_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env={**inherited, **settings, **environment},
        check=False,
        capture_output=True,
        text=True,
        umask=0o022,
    )


@pytest.mark.parametrize("command", ["create_api_key", "sign_in_link"])
def test_a_new_data_folder_is_made_ready_and_is_for_us_alone(tmp_path: Path, command: str) -> None:
    ended = manage(tmp_path / "home", command)
    assert ended.returncode == 0, ended.stderr
    written = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert "openhands.sqlite3" in {path.name for path in written}
    assert [path for path in written if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_a_database_that_is_behind_is_left_to_its_operator(tmp_path: Path) -> None:
    assert manage(tmp_path, "migrate", "contenttypes", "--verbosity=0").returncode == 0
    ended = manage(tmp_path, "create_api_key")
    assert ended.returncode == 1
    assert "manage.py migrate" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_database_that_is_away_is_said_in_a_sentence(tmp_path: Path) -> None:
    ended = manage(tmp_path, "create_api_key", DATABASE_URL="postgres://nobody@127.0.0.1:1/none")
    assert ended.returncode == 1
    assert "check DATABASE_URL" in ended.stderr
    assert "Traceback" not in ended.stderr
