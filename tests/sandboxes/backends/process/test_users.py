import os
from pathlib import Path

import pytest
from pytest_django import Settings

from sandboxes.backends.process import users


@pytest.fixture(autouse=True)
def _asked_anew() -> None:
    users.first_uid.cache_clear()


def test_ids_are_handed_out_upwards_and_not_soon_again(tmp_path: Path) -> None:
    first, second, third = (users.allocate(tmp_path) for _ in range(3))
    assert [first, second, third] == [users.first_uid() + 1, users.first_uid() + 2, users.first_uid() + 3]
    assert all(users.is_own(uid) for uid in (first, second, third))


def test_the_counter_begins_again_after_the_last(tmp_path: Path) -> None:
    last = users.first_uid() + 65_535
    (tmp_path / "last_uid").write_text(str(last))
    assert users.allocate(tmp_path) in (users.first_uid(), users.first_uid() + 1)


def test_two_installations_have_blocks_of_their_own(settings: Settings) -> None:
    settings.INSTALLATION_ID = "one"
    one = users.first_uid()
    users.first_uid.cache_clear()
    settings.INSTALLATION_ID = "another"
    assert users.first_uid() != one
    users.first_uid.cache_clear()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_files_are_given_without_following_links(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("ours")
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "file").touch()
    (folder / "deep" / "link").symlink_to(outside)
    users.give(folder, 12345)
    assert {path.lstat().st_uid for path in (folder, *folder.rglob("*"))} == {12345}
    assert outside.stat().st_uid == 0


def test_closing_the_home_leaves_others_only_the_way_through(home: Path) -> None:
    (home / "secret_keys").write_text("secret")
    (home / "blobs").mkdir(mode=0o755)
    (home / "sandboxes").mkdir(mode=0o711)
    (home / "openhands.sqlite3").touch(mode=0o644)
    users.close_home()
    modes = {path.name: path.stat().st_mode & 0o777 for path in home.iterdir()}
    assert modes == {"secret_keys": 0o600, "blobs": 0o700, "sandboxes": 0o711, "openhands.sqlite3": 0o600}
    assert home.stat().st_mode & 0o777 == 0o711
