from typing import Any

import pytest
from pytest_django import Settings

from conversations.tools.base import parse
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
