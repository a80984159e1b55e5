from tests.conversations.agent.logs import Log


def roles(log: Log) -> list[str]:
    return [message["role"] for message in log.history.context.messages]


def test_the_actions_of_one_reply_are_one_assistant_message_and_each_has_its_tool_message() -> None:
    log = Log()
    log.prompt()
    log.person("Do it")
    first, second = log.acts("terminal", "terminal")
    log.observes(first, "one")
    log.observes(second, "two")
    messages = log.history.context.messages
    assert roles(log) == ["system", "user", "assistant", "tool", "tool"]
    assert [call["id"] for call in messages[2]["tool_calls"]] == ["terminal-0", "terminal-1"]
    assert messages[2]["content"] == "I think."
    assert [(message["tool_call_id"], message["content"]) for message in messages[3:]] == [
        ("terminal-0", "one"),
        ("terminal-1", "two"),
    ]


def test_a_message_between_an_action_and_its_observation_stands_after_it() -> None:
    log = Log()
    log.person("Do it")
    (action,) = log.acts("terminal")
    log.person("Wait, differently")
    log.observes(action)
    assert roles(log) == ["user", "assistant", "tool", "user"]
    assert log.history.context.messages[-1]["content"] == "Wait, differently"


def test_a_message_that_the_model_had_not_read_stands_after_its_reply() -> None:
    log = Log()
    log.person("Do it")
    log.person("And quickly")
    log.says("Done.", read_until=1)
    contents = [message["content"] for message in log.history.context.messages]
    assert contents == ["Do it", "Done.", "And quickly"]


def test_a_message_that_the_model_had_not_read_stands_after_the_observations_of_its_actions() -> None:
    log = Log()
    log.person("Do it")
    log.person("And quickly")
    (action,) = log.acts("terminal", read_until=1)
    log.observes(action)
    assert roles(log) == ["user", "assistant", "tool", "user"]


def test_a_reply_that_a_stop_cut_is_followed_by_a_word_of_it_and_by_what_was_said_meanwhile() -> None:
    log = Log()
    log.person("Do it")
    log.person("Wait")
    log.says("I will now", read_until=1, cut=True)
    assert roles(log) == ["user", "assistant", "user", "user"]
    contents = [message["content"] for message in log.history.context.messages]
    assert "a person stopped the agent" in contents[2]
    assert contents[3] == "Wait"


def test_the_exit_code_and_the_directory_are_the_last_line_of_a_result() -> None:
    log = Log()
    (action,) = log.acts("terminal")
    log.observes(action, "hello", exit_code=3, working_directory="/workspace")
    assert log.history.context.messages[-1]["content"] == "hello\n[exit code 3; directory /workspace]"


def test_a_lost_action_says_that_it_may_have_run() -> None:
    log = Log()
    (action,) = log.acts("terminal")
    log.observes(action, "", outcome="lost")
    assert "may have run" in log.history.context.messages[-1]["content"]


def test_messages_are_only_ever_appended_to_while_nothing_is_late() -> None:
    log = Log()
    log.prompt()
    seen: list[dict[str, object]] = []
    for turn in range(5):
        log.person(f"turn {turn}")
        (action,) = log.acts("terminal", read_until=log.sequence)
        log.observes(action)
        messages = log.history.context.messages
        assert messages[: len(seen)] == seen
        seen = list(messages)
