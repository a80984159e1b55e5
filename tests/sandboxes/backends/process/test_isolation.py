import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pytest_django import Settings

from sandboxes.backends.process import isolation
from sandboxes.backends.process.isolation import Isolation


@pytest.mark.parametrize(
    ("bubblewrap", "own_user", "words"),
    [
        (True, True, "bubblewrap, own user"),
        (True, False, "bubblewrap"),
        (False, True, "own user, no bubblewrap"),
        (False, False, "none"),
    ],
)
def test_the_isolation_says_plainly_what_it_is(bubblewrap: bool, own_user: bool, words: str) -> None:
    assert str(Isolation(bubblewrap, own_user)) == words


def test_what_was_resolved_holds_for_every_process_until_it_is_resolved_again(
    home: Path, settings: Settings
) -> None:
    resolved = isolation.resolve()
    file = settings.SANDBOX_FOLDER / "isolation.json"
    assert isolation.current() == resolved
    stored = {"bubblewrap": False, "own_user": False, "limits": [], "reason": "by hand", "euid": os.geteuid()}
    file.write_text(json.dumps(stored))
    assert isolation.current() == Isolation(False, False, (), "by hand")
    assert isolation.resolve() == resolved == isolation.current()


def test_several_threads_may_resolve_it_at_once(home: Path) -> None:
    """The drafts' names must not be one: who comes second would find the other's gone."""
    with ThreadPoolExecutor(8) as threads:
        resolved = {found.result(60) for found in [threads.submit(isolation.resolve) for _ in range(16)]}
    assert resolved == {isolation.current()}


@pytest.mark.parametrize(
    "content", ["", "not JSON", "{}", '{"euid": -1, "bubblewrap": true, "own_user": true}']
)
def test_what_another_user_or_version_resolved_is_resolved_again(
    home: Path, settings: Settings, content: str
) -> None:
    settings.SANDBOX_FOLDER.mkdir()
    (settings.SANDBOX_FOLDER / "isolation.json").write_text(content)
    assert isolation.current() == isolation.resolve()


def test_a_machine_without_bubblewrap_is_told_how_to_get_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(home))
    resolved = isolation.resolve()
    assert not resolved.bubblewrap
    assert "install it" in resolved.reason
