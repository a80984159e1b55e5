"""What holds of every log, whatever died while it was written. One function, for logs as REST and sockets list them."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from conversations.states import RESTING, TRANSITIONS, AgentState

Wire = dict[str, Any]
AT_REST = {state.value for state in RESTING}


def check_log(events: Sequence[Wire], *, ran: Iterable[str] | None = None) -> None:
    """Raises AssertionError, naming what does not hold.

    `ran` is what the commands themselves wrote down, a word each time one ran: each `echo WORD >> ran` of the log
    is there exactly once, or at most once where its observation is not `ok`; and nothing else is there.
    """
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1)), "the log is not dense"
    assert not _doubled(event["id"] for event in events), "an event is there twice"
    assert all(one["created_at"] <= two["created_at"] for one, two in pairwise(events)), "times run backwards"
    _check_states(events)
    _check_actions(events)
    if ran is not None:
        _check_ran(events, list(ran))


def state_of(events: Sequence[Wire]) -> str:
    states = [event["payload"]["state"] for event in events if event["kind"] == "agent_state_changed"]
    return str(states[-1]) if states else "starting"


def _check_states(events: Sequence[Wire]) -> None:
    state = AgentState.STARTING
    for event in events:
        if event["kind"] == "agent_state_changed":
            new = AgentState(event["payload"]["state"])
            assert new in TRANSITIONS[state], f"from {state} to {new} at {event['sequence']}"
            state = new
        elif event["source"] == "agent" and event["kind"] in {"message", "action"}:
            assert state == AgentState.RUNNING, f"the agent spoke while {state} at {event['sequence']}"


def _check_actions(events: Sequence[Wire]) -> None:
    opened: dict[str, int] = {}
    calls: dict[str, list[int]] = {}
    for event in events:
        payload = event["payload"]
        if event["kind"] == "action":
            opened[event["id"]] = event["sequence"]
            calls.setdefault(payload["call_id"], []).append(event["sequence"])
            assert payload["index"] == len(calls[payload["call_id"]]) - 1, (
                f"out of order at {event['sequence']}"
            )
        elif event["kind"] == "observation":
            assert payload["action_id"] in opened, f"an observation too many at {event['sequence']}"
            del opened[payload["action_id"]]
        elif event["kind"] == "agent_state_changed" and payload["state"] in {"finished", "stopped", "idle"}:
            assert not opened, f"{payload['state']} with open actions {opened}"
    for sequences in calls.values():
        assert sequences == list(range(sequences[0], sequences[0] + len(sequences))), "a reply is torn apart"
    if state_of(events) in AT_REST - {"paused"}:
        assert not opened, f"at rest with open actions {opened}"


def _check_ran(events: Sequence[Wire], ran: list[str]) -> None:
    outcomes = {
        event["payload"]["action_id"]: event["payload"]["outcome"]
        for event in events
        if event["kind"] == "observation"
    }
    times = Counter(ran)
    assert not _doubled(ran), f"ran twice: {_doubled(ran)}"
    expected = {}
    for event in events:
        if event["kind"] == "action" and (word := _word_of(event)):
            expected[word] = outcomes.get(event["id"])
    missing = [word for word, outcome in expected.items() if outcome == "ok" and not times[word]]
    assert not missing, f"said to have run, but did not: {missing}"
    assert not set(ran) - set(expected), f"ran without an action: {set(ran) - set(expected)}"


def _word_of(event: Wire) -> str:
    """WORD of a command that begins with `echo WORD >> ran`."""
    command = str((event["payload"]["arguments"] or {}).get("command", ""))
    found = re.match(r"echo (\w+) >> ran\b", command)
    return found[1] if found else ""


def _doubled(values: Iterable[str]) -> list[str]:
    return [value for value, count in Counter(values).items() if count > 1]
