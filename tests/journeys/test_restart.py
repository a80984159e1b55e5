"""Ctrl-C and the next start: what was running goes on, what was idle wakes with its next message."""

import time
from pathlib import Path

import pytest

from tests.journeys.installation import Installation, events_of, wait_for_state

pytestmark = [pytest.mark.service("bwrap"), pytest.mark.timeout(240)]
TASK = """
```bash
echo one >> kept
```
```bash
echo two >> kept; sleep 30
```
```bash
echo three >> kept
```
"""


def test_what_was_running_goes_on_and_what_was_idle_wakes_with_its_next_message(tmp_path: Path) -> None:
    with (
        Installation(tmp_path / "home", SANDBOX_BACKEND="process") as installation,
        installation.api() as api,
    ):
        conversation = (
            f"/conversations/{api.post('/conversations', json={'initial_message': TASK}).json()['id']}"
        )
        kept = next(iter(wait_for_files(tmp_path / "home" / "sandboxes", "kept", "two")))
        installation.stop()
        installation.start()
        wait_for_state(api, conversation.rsplit("/", 1)[-1], "finished")
        assert kept.read_text().split() == ["one", "two", "three"]

        installation.stop()
        installation.start()
        api.post(f"{conversation}/messages", json={"text": "```bash\nsort kept\n```"})
        wait_for_state(api, conversation.rsplit("/", 1)[-1], "running", "starting")
        wait_for_state(api, conversation.rsplit("/", 1)[-1], "finished")
        events = events_of(api, conversation.rsplit("/", 1)[-1])
    outcomes = [event["payload"]["outcome"] for event in events if event["kind"] == "observation"]
    assert outcomes.count("lost") == 1
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    said = [
        part["text"]
        for event in events
        if event["kind"] == "observation"
        for part in event["payload"]["content"]
    ]
    assert any(text.split() == ["one", "three", "two"] for text in said)


def wait_for_files(folder: Path, name: str, text: str) -> list[Path]:
    """The files of this name anywhere under the folder, once one of them holds the text."""
    deadline = time.monotonic() + 60
    while True:
        found = [path for path in folder.rglob(name) if text in path.read_text()]
        if found:
            return found
        assert time.monotonic() < deadline, "the command did not run in time"
        time.sleep(0.1)
