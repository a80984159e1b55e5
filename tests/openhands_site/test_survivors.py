import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from openhands_site.survivors import Register, started_at


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def test_what_the_last_start_left_is_ended(tmp_path: Path, sleeper: "subprocess.Popen[bytes]") -> None:
    Register(tmp_path / "processes").add(sleeper.pid)
    assert Register(tmp_path / "processes").end_survivors() == [sleeper.pid]
    assert sleeper.wait(timeout=5) < 0
    assert Register(tmp_path / "processes").end_survivors() == []


def test_a_process_that_got_the_same_pid_later_is_left_alone(
    tmp_path: Path, sleeper: "subprocess.Popen[bytes]"
) -> None:
    (tmp_path / "processes").write_text(f'{{"{sleeper.pid}": "another boot 12345"}}')
    assert Register(tmp_path / "processes").end_survivors() == []
    assert sleeper.poll() is None


def test_what_ended_by_itself_is_no_survivor(tmp_path: Path, sleeper: "subprocess.Popen[bytes]") -> None:
    register = Register(tmp_path / "processes")
    register.add(sleeper.pid)
    register.remove(sleeper.pid)
    assert Register(tmp_path / "processes").end_survivors() == []
    assert sleeper.poll() is None


@pytest.mark.parametrize("content", ["", "no json", "[1]"])
def test_a_broken_file_is_an_empty_one(tmp_path: Path, content: str) -> None:
    (tmp_path / "processes").write_text(content)
    assert Register(tmp_path / "processes").end_survivors() == []


def test_a_process_that_is_not_there_never_started() -> None:
    assert started_at(2**22 + 1) == ""
