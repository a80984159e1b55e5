"""The states of the agent stand in two vocabularies, for the events know no Django; here they are held together."""

from typing import get_args

import pytest

from conversations import events
from conversations.states import RESTING, TRANSITIONS, AgentState, IllegalTransitionError, check_transition
from sandboxes import protocol


def test_the_log_and_the_table_know_the_same_states() -> None:
    assert set(get_args(events.AgentState)) == set(AgentState.values)
    assert set(TRANSITIONS) == set(AgentState)


def test_the_log_keeps_every_outcome_that_a_sandbox_tells() -> None:
    assert set(get_args(protocol.Outcome)) <= set(get_args(events.Outcome))


@pytest.mark.parametrize("state", sorted(RESTING))
def test_from_every_rest_the_agent_can_be_started_again_and_stopped(state: str) -> None:
    for after in {AgentState.STARTING, AgentState.RUNNING, AgentState.STOPPED} - {AgentState(state)}:
        check_transition(state, after)


def test_an_illegal_step_is_refused() -> None:
    with pytest.raises(IllegalTransitionError, match="from paused to awaiting_confirmation"):
        check_transition("paused", "awaiting_confirmation")
