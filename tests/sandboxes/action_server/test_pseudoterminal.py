"""Input, full-screen programs and floods, through a real terminal."""

import time

import pytest

from .conftest import Conversation


def test_a_program_that_asks_gets_its_answer(conversation: Conversation) -> None:
    asked = conversation.text("read -p 'name? ' name; echo hello $name", timeout=0.2)
    assert asked.startswith("name? \n[The command still runs")
    assert conversation.text("Ada", is_input=True) == "hello Ada"


def test_a_secret_typed_is_not_echoed(conversation: Conversation) -> None:
    conversation.terminal("read word", timeout=0.1)
    assert conversation.text("hunter2", is_input=True) == ""


def test_input_that_nobody_read_is_never_run_as_a_command(conversation: Conversation) -> None:
    conversation.terminal("sleep 0.5", timeout=0.1)
    assert conversation.text("touch oops; echo oops", is_input=True) == ""
    assert conversation.text("ls oops 2>&1; echo next").endswith("next")
    assert "oops\nnext" not in conversation.text("ls; echo next")


def test_a_line_that_a_terminal_would_cut_is_refused(conversation: Conversation) -> None:
    conversation.terminal("cat", timeout=0.1)
    refused = conversation.terminal("x" * 5000, is_input=True)
    assert refused.outcome == "error"
    assert "4,095 bytes" in refused.content[0].text
    assert conversation.terminal("C-d").meta["exit_code"] == 0


def test_long_input_reaches_a_program_that_reads(conversation: Conversation) -> None:
    conversation.terminal("wc -l", timeout=0.1)
    conversation.terminal("line\n" * 20_000, is_input=True, timeout=0.1)
    assert conversation.text("C-d") == "20000"


def test_ctrl_c_works_when_unread_input_has_filled_the_terminal(conversation: Conversation) -> None:
    conversation.terminal("sleep 60", timeout=0.1)
    assert "does not read its input" in conversation.text("y\n" * 50_000, is_input=True, timeout=0.1)
    assert conversation.terminal("C-c").meta["exit_code"] == 130
    assert conversation.text("echo fine") == "fine"


@pytest.mark.parametrize(
    "command, leave",
    [
        pytest.param("vi", ":q!", marks=pytest.mark.service("vi")),
        pytest.param("top", "q", marks=pytest.mark.service("top")),
        pytest.param("seq 1000 | less", "q", marks=pytest.mark.service("less")),
    ],
)
def test_full_screen_programs_are_usable(conversation: Conversation, command: str, leave: str) -> None:
    shown = conversation.terminal(command, timeout=0.7)
    assert shown.meta["still_running"]
    assert "\x1b" not in shown.content[0].text
    left = conversation.terminal(leave, is_input=True)
    assert left.meta["exit_code"] == 0
    assert conversation.text("echo fine") == "fine"


def test_a_terminal_left_raw_is_mended(conversation: Conversation) -> None:
    conversation.terminal("stty raw echo")
    assert conversation.text("echo one; stty -a | grep -o -e '-echo ' -e ' icanon'") == "one\n icanon\n-echo "


def test_a_flood_from_the_background_holds_nobody_up(conversation: Conversation) -> None:
    conversation.terminal("yes & true")
    begun = time.monotonic()
    assert conversation.terminal("cd /").meta["working_directory"] == "/"
    assert time.monotonic() - begun < 15
    conversation.terminal("kill %1; wait")
    assert conversation.text("echo quiet") == "quiet"


def test_stopped_output_does_not_hang_the_next_command(conversation: Conversation) -> None:
    command = "python3 -c 'import termios; termios.tcflow(1, termios.TCOOFF)'"
    assert conversation.terminal(command).meta["exit_code"] == 0
    assert conversation.terminal("cd /").meta["working_directory"] == "/"
    assert "back" in conversation.text("echo back")
