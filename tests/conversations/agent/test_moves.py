from conversations.agent.moves import CallModel, Execute, Rest, Stop, next_move
from conversations.states import AgentState
from tests.conversations.agent.logs import Log


def started() -> Log:
    log = Log()
    log.person("Do it")
    log.state("running", boot_id="boot-1")
    return log


def test_a_message_is_answered_by_a_call_of_the_model() -> None:
    assert next_move(started().history, "") == CallModel()


def test_actions_are_executed_in_order_before_the_model_is_called_again() -> None:
    log = started()
    first, second = log.acts("terminal", "think")
    assert next_move(log.history, "") == Execute(log.history.open[first])
    log.observes(first)
    assert next_move(log.history, "") == Execute(log.history.open[second])
    log.observes(second)
    assert next_move(log.history, "") == CallModel()


def test_a_reply_without_a_call_ends_the_turn() -> None:
    log = started()
    log.says("What do you mean?")
    assert next_move(log.history, "") == Rest(AgentState.IDLE)


def test_a_finish_ends_the_task_unless_a_person_spoke_meanwhile() -> None:
    log = started()
    (action,) = log.acts("finish", boot_id=None)
    log.observes(action)
    assert next_move(log.history, "") == Rest(AgentState.FINISHED)
    log.person("One more thing")
    assert next_move(log.history, "") == CallModel()


def test_a_message_that_came_while_the_finish_was_being_made_is_answered() -> None:
    log = started()
    log.person("One more thing")  # sequence 3, after the model had read up to 2
    (action,) = log.acts("finish", read_until=2, boot_id=None)
    log.observes(action)
    assert next_move(log.history, "") == CallModel()


def test_a_stop_comes_before_everything_and_nothing_follows_it() -> None:
    log = started()
    (action,) = log.acts("terminal")
    log.orders("pause")
    log.orders("stop")
    assert next_move(log.history, "") == Stop()
    log.observes(action, outcome="interrupted")
    log.state("stopped")
    assert next_move(log.history, "") == Rest()


def test_a_message_before_a_stop_does_not_resume_but_one_after_it_does() -> None:
    log = started()
    log.person("before")
    log.orders("stop")
    log.state("stopped")
    assert next_move(log.history, "") == Rest()
    log.person("after")
    assert next_move(log.history, "") == CallModel()


def test_a_message_between_the_stop_and_its_state_is_not_lost() -> None:
    log = started()
    log.orders("stop")
    log.person("after")
    assert next_move(log.history, "") == Stop()
    log.state("stopped")
    assert next_move(log.history, "") == CallModel()


def test_a_pause_takes_effect_between_actions_and_a_message_does_not_end_it() -> None:
    log = started()
    first, second = log.acts("terminal", "terminal")
    log.orders("pause")
    log.observes(first)
    assert next_move(log.history, "") == Rest(AgentState.PAUSED)
    log.state("paused")
    log.person("hello?")
    assert next_move(log.history, "") == Rest()
    log.orders("resume")
    assert next_move(log.history, "") == Execute(log.history.open[second])


def test_a_resume_with_nothing_to_do_makes_it_idle() -> None:
    log = started()
    log.says("Done.")
    log.state("idle")
    log.orders("pause")
    log.state("paused")
    log.orders("resume")
    assert next_move(log.history, "") == Rest(AgentState.IDLE)


def test_a_resume_before_the_pause_took_effect_takes_it_back() -> None:
    log = started()
    log.orders("pause")
    log.orders("resume")
    assert next_move(log.history, "") == CallModel()


def test_an_error_waits_for_a_person_and_a_resume_tries_the_same_again() -> None:
    log = started()
    log.state("error")
    assert next_move(log.history, "") == Rest()
    log.orders("resume")
    assert next_move(log.history, "") == CallModel()


def test_a_limit_rests_and_the_next_allowance_counts_from_there() -> None:
    log = started()
    (action,) = log.acts("terminal")
    log.observes(action)
    assert next_move(log.history, "The limit is reached.") == Rest(
        AgentState.LIMIT_REACHED, "The limit is reached."
    )
    log.state("limit_reached")
    assert (log.history.steps, log.history.base_steps) == (1, 1)


def test_the_same_call_with_the_same_result_four_times_is_stuck_until_a_person_speaks() -> None:
    log = started()
    for _ in range(4):
        (action,) = log.acts("terminal", command="make")
        log.observes(action)
    move = next_move(log.history, "")
    assert isinstance(move, Rest)
    log.person("Try something else")
    assert next_move(log.history, "") == CallModel()


def test_an_agent_that_is_stuck_goes_on_where_a_person_resumes_it() -> None:
    log = started()
    for _ in range(4):
        (action,) = log.acts("terminal", command="make")
        log.observes(action)
    log.state("stuck")
    log.orders("resume")
    assert next_move(log.history, "") == CallModel()


def test_a_reply_that_a_stop_cut_is_no_end_of_the_turn_once_it_is_resumed() -> None:
    log = started()
    log.orders("stop")
    log.says("I will now", cut=True)
    log.state("stopped")
    assert next_move(log.history, "") == Rest()
    log.orders("resume")
    assert next_move(log.history, "") == CallModel()


def test_waiting_for_a_command_that_still_runs_is_not_stuck() -> None:
    log = started()
    for _ in range(9):
        (action,) = log.acts("terminal", command="")
        log.observes(action, still_running=True)
    assert next_move(log.history, "") == CallModel()
