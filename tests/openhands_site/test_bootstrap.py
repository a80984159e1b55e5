import subprocess
import sys
from pathlib import Path

import pytest

from openhands_site import bootstrap

LOCKS = [*sorted(bootstrap.LOCKS.glob("*.txt")), bootstrap.ROOT / "package-lock.json"]


def test_it_needs_nothing_but_the_standard_library() -> None:
    bare = [sys.executable, "-I", "-S", str(Path(bootstrap.__file__))]
    assert subprocess.run(bare, capture_output=True, text=True, check=True).stdout == ""


def test_a_step_is_done_again_only_when_its_inputs_changed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    source, stamp = tmp_path / "source", tmp_path / "out" / ".stamp"
    source.write_text("one")
    assert not bootstrap.is_fresh(stamp, [source])
    bootstrap.refresh(stamp, [source])
    assert bootstrap.is_fresh(stamp, [source])
    source.write_text("two")
    assert not bootstrap.is_fresh(stamp, [source])


def test_a_command_that_fails_is_refused_with_what_it_printed() -> None:
    with pytest.raises(bootstrap.Refusal, match="because of this\nIt could not be done"):
        bootstrap.run_quietly(
            [sys.executable, "-c", "print('because of this'); exit(3)"], "It could not be done."
        )


def test_long_work_shows_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bootstrap, "SILENCE_SECONDS", 0.1)
    bootstrap.run_quietly([sys.executable, "-c", "import time; time.sleep(0.5)"], "")
    assert "still at it" in capsys.readouterr().out


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_the_locks_name_no_registry_and_no_place_of_a_machine(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    assert "/root/" not in text
    assert "--index" not in text


@pytest.mark.parametrize("lock", LOCKS[:-1], ids=lambda lock: lock.name)
def test_every_package_is_locked_to_a_version_with_hashes(lock: Path) -> None:
    lines = lock.read_text().splitlines()
    packages = [line for line in lines if not line.startswith(" ")]
    assert packages
    assert all("==" in line and line.endswith("\\") for line in packages)
    assert sum("--hash=sha256:" in line for line in lines) >= len(packages)


def test_development_holds_all_of_runtime_in_the_same_versions() -> None:
    runtime, development = (
        {line for line in (bootstrap.LOCKS / name).read_text().splitlines() if not line.startswith(" ")}
        for name in ("runtime.txt", "development.txt")
    )
    assert runtime <= development
