import json
import os
import uuid
from pathlib import Path

import pytest

from sandboxes.backends.process.places import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path, uuid.uuid4())
    made.make()
    return made


def test_only_the_folders_of_its_user_can_be_entered_by_its_user(place: Place) -> None:
    modes = {path.name: path.stat().st_mode & 0o777 for path in place.folder.iterdir()}
    assert modes == {"workspace": 0o700, "data": 0o700, "tmp": 0o700, "etc": 0o711}


def test_the_life_on_record_is_for_us_alone_and_is_forgotten_as_told(place: Place) -> None:
    assert place.life() is None
    place.keep_life({"pid": 1})
    assert place.life() == {"pid": 1}
    assert place.record.stat().st_mode & 0o777 == 0o600
    place.keep_life(None)
    place.keep_life(None)
    assert place.life() is None


def test_a_place_is_held_by_one_at_a_time(place: Place) -> None:
    with place.locked(1), pytest.raises(TimeoutError, match="Another worker"), place.locked(0):
        pass
    with place.locked(0):
        pass


def test_an_announcement_behind_a_link_is_none(place: Place) -> None:
    assert place.announced() is None
    target = place.root / "forged"
    target.write_text(json.dumps({"port": 1}))
    place.announcement.symlink_to(target)
    assert place.announced() is None
    place.clear_temporary()
    assert target.exists()
    place.announcement.write_text(json.dumps({"port": 2}))
    assert place.announced() == {"port": 2}


def test_the_size_counts_each_file_once_and_follows_no_link(place: Place) -> None:
    (place.workspace / "large").write_bytes(os.urandom(100_000))
    (place.workspace / "loop").symlink_to(place.workspace)
    assert 100_000 <= place.disk_bytes() < 200_000


def test_of_a_long_log_the_end_is_told(place: Place) -> None:
    assert place.log_tail() == ""
    place.log.write_text("x" * 20_000 + "the end")
    assert place.log_tail().endswith("the end")
    assert len(place.log_tail()) == 8_000
