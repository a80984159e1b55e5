"""The id and the keys of an installation, as the data folder keeps them."""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from openhands_site import installation, redis_server
from openhands_site.management.commands import up
from tests.journeys.installation import Installation


def test_whoever_asks_first_makes_it_for_all_and_for_us_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with ThreadPoolExecutor(8) as threads:
        found = set(threads.map(lambda _: installation.identify(home, ""), range(40)))
        keys = {tuple(key) for key in threads.map(lambda _: installation.secret_keys(home, []), range(40))}
    assert len(found) == len(keys) == 1
    assert {path.name for path in home.iterdir()} == {"installation_id", "secret_keys"}
    assert {path.stat().st_mode & 0o777 for path in home.iterdir()} == {0o600}


def test_what_is_configured_comes_before_what_is_kept(tmp_path: Path) -> None:
    installation.identify(tmp_path, "")
    assert installation.identify(tmp_path, "another-one") == "another-one"


@pytest.mark.parametrize("name", ["installation_id", "secret_keys"])
def test_a_file_that_a_crash_left_empty_says_what_to_do(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(ImproperlyConfigured, match=f"{name} is empty; bring it back"):
        ask(tmp_path)


@pytest.mark.parametrize("name", ["installation_id", "secret_keys"])
def test_a_folder_that_is_not_ours_to_read_says_what_to_do(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(ImproperlyConfigured, match=r"cannot be read .* set OPENHANDS_HOME to a folder"):
        ask(tmp_path)


def ask(home: Path) -> None:
    installation.identify(home, "")
    installation.secret_keys(home, [])


def test_a_command_before_the_first_start_says_what_to_do(tmp_path: Path) -> None:
    done = Installation(tmp_path).manage("rotate_secrets", check=False)
    assert done.returncode == 1
    assert "no such table" in done.stderr or "does not exist" in done.stderr
    assert "`make run` prepares it" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_folder_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "C# a?b=1 100%41"
    odd = Installation(home)
    odd.manage("migrate", "--verbosity=0")
    assert (home / "openhands.sqlite3").exists()
    code = "from openhands_site.redis_client import connect; print(connect().connection_pool.connection_kwargs['path'])"
    path = odd.manage("shell", "--no-imports", "-c", code).stdout.strip()
    assert path == str(redis_server.private_socket(home))
    monkeypatch.setenv("OPENHANDS_HOME", str(home))
    told = up.command_line("check")
    assert (
        subprocess.run(
            ["/bin/sh", "-c", told], cwd=settings.BASE_DIR, check=False, capture_output=True
        ).returncode
        == 0
    )
