"""What the agent does next, given what the log says. Pure: the one place of that decision."""

from dataclasses import dataclass

from conversations.agent.history import History, OpenAction
from conversations.states import SETTLED, AgentState


@dataclass(frozen=True)
class Stop:
    """A person ordered it: open actions end, nothing goes on."""


@dataclass(frozen=True)
class Rest:
    """Give the lease up in this state; None leaves the state as it is."""

    state: AgentState | None = None
    reason: str = ""


@dataclass(frozen=True)
class Execute:
    opened: OpenAction


@dataclass(frozen=True)
class CallModel:
    pass


Move = Stop | Rest | Execute | CallModel


def next_move(history: History, limit_problem: str) -> Move:
    """`limit_problem` says which limit is reached, or is empty."""
    if history.stop_ordered:
        return Stop()
    if history.pause_ordered:
        return Rest(AgentState.PAUSED)
    if history.is_halted:
        return Rest()
    if history.open:
        return Execute(next(iter(history.open.values())))
    if not history.agents_turn:
        return _end_of_turn(history)
    if history.repetition.problem:
        return Rest(AgentState.STUCK, history.repetition.problem)
    if limit_problem:
        return Rest(AgentState.LIMIT_REACHED, limit_problem)
    return CallModel()


def _end_of_turn(history: History) -> Rest:
    if history.is_finished:
        return Rest(AgentState.FINISHED)
    # A second look at a conversation that rests changes nothing; one that was paused is idle again.
    return Rest() if history.state in SETTLED else Rest(AgentState.IDLE)
