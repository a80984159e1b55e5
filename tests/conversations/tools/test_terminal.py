from typing import Any

import pytest
from pytest_django import Settings

from conversations.tools.base import MalformedCallError, parse
from conversations.tools.terminal import Terminal


@pytest.mark.parametrize(
    ("arguments", "timeout"),
    [
        ({"command": "make"}, 7),
        ({"command": "make", "timeout": None}, 7),
        ({"command": "make", "timeout": 90}, 90),
        ({"command": "y", "is_input": True}, None),
    ],
)
def test_how_long_a_silent_command_is_waited_for_is_the_models_choice_else_the_servers(
    settings: Settings, arguments: dict[str, Any], timeout: float | None
) -> None:
    settings.TERMINAL_TIMEOUT = 7
    assert parse(Terminal(), arguments, "").model_dump()["timeout"] == timeout


@pytest.mark.parametrize(
    "arguments", [{"session": "a.b"}, {"session": "a\n"}, {"timeout": 0}, {"timeout": 3601}]
)
def test_what_the_sandbox_would_not_take_is_not_sent(arguments: dict[str, Any]) -> None:
    with pytest.raises(MalformedCallError):
        parse(Terminal(), {"command": "make", **arguments}, "")
