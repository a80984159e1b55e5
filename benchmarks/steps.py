"""Whole steps on a server started as `make run` starts it: a model's reply, the action stored, `echo` run in a sandbox,
the observation stored. The model is the stand-in that answers at once, so what is measured is ours."""

import tempfile
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure
from tests.journeys.installation import Installation, events_of, wait_for_state

STEPS = (10, 50, 200)


def measure() -> list[Figure]:
    with (
        tempfile.TemporaryDirectory() as folder,
        Installation(Path(folder) / "home", SANDBOX_BACKEND="process") as installation,
        installation.api() as api,
    ):
        figures = []
        for steps in STEPS:
            task = "\n".join(f"```bash\necho {number}\n```" for number in range(steps))
            made = api.post("/conversations", json={"initial_message": task}).json()
            wait_for_state(api, made["id"], "finished", "error", "stuck", seconds=300)
            events = events_of(api, made["id"])
            figures.append(Figure(f"one step of {steps}", "ms", step_times(events)))
            figures.append(
                Figure(f"filed until the first action, {steps} steps", "ms", [until_first_action(events)])
            )
        return figures


def step_times(events: list[dict[str, Any]]) -> list[float]:
    """Milliseconds from each terminal action to the next."""
    moments = [moment(event) for event in events if event["payload"].get("tool") == "terminal"]
    return [(later - earlier) * 1000 for earlier, later in pairwise(moments)]


def until_first_action(events: list[dict[str, Any]]) -> float:
    first = next(event for event in events if event["kind"] == "action")
    return (moment(first) - moment(events[0])) * 1000


def moment(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["created_at"]).timestamp()
