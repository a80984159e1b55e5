"""The agent's states, and the legal ways from one to another."""

from django.db import models


class AgentState(models.TextChoices):
    STARTING = "starting"
    IDLE = "idle"
    RUNNING = "running"
    AWAITING_CONFIRMATION = "awaiting_confirmation"
    PAUSED = "paused"
    FINISHED = "finished"
    ERROR = "error"
    STUCK = "stuck"
    LIMIT_REACHED = "limit_reached"
    STOPPED = "stopped"


_ENDS = frozenset(
    {
        AgentState.IDLE,
        AgentState.PAUSED,
        AgentState.FINISHED,
        AgentState.ERROR,
        AgentState.STUCK,
        AgentState.LIMIT_REACHED,
        AgentState.STOPPED,
    }
)
TRANSITIONS: dict[AgentState, frozenset[AgentState]] = {
    AgentState.STARTING: _ENDS | {AgentState.RUNNING},
    AgentState.RUNNING: _ENDS | {AgentState.STARTING, AgentState.AWAITING_CONFIRMATION},
    AgentState.AWAITING_CONFIRMATION: _ENDS | {AgentState.STARTING, AgentState.RUNNING},
    **{state: _ENDS - {state} | {AgentState.STARTING, AgentState.RUNNING} for state in _ENDS},
}
# Where the agent waits for a person.
RESTING = _ENDS
# Where it rests of itself: a message alone wakes it, and a stop finds nothing to stop.
SETTLED = RESTING - {AgentState.PAUSED}


class IllegalTransitionError(Exception):
    """Two states that no legal step joins: a defect of the caller's."""


def check_transition(old: str, new: str) -> None:
    if AgentState(new) not in TRANSITIONS[AgentState(old)]:
        raise IllegalTransitionError(f"the agent cannot go from {old} to {new}")
