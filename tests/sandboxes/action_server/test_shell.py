"""What a persistent bash does with every kind of command."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.small_disk import SmallDisk

from .conftest import Conversation, Server


def test_directory_variables_functions_and_status_survive(conversation: Conversation) -> None:
    conversation.terminal("mkdir -p sub; cd sub; here=now; greet() { echo hello $here; }; false")
    assert conversation.text("echo $?; greet; basename $PWD") == "1\nhello now\nsub"


def test_background_jobs_survive_and_their_output_is_seen(conversation: Conversation) -> None:
    conversation.terminal("(sleep 0.2; echo from behind) &")
    assert "sleep" in conversation.text("jobs")
    assert "from behind" in conversation.text("wait")


def test_the_result_says_exit_code_directory_and_time(conversation: Conversation) -> None:
    result = conversation.terminal("cd /tmp; echo out; echo err >&2; (exit 7)")
    assert result.outcome == "ok"
    assert result.content[0].text == "out\nerr"
    assert result.meta.pop("seconds") < 5
    assert result.meta == {
        "session": "main",
        "still_running": False,
        "exit_code": 7,
        "working_directory": "/tmp",
        "truncated": False,
        "omitted_characters": 0,
    }


@pytest.mark.parametrize(
    "command, expected",
    [
        ("cat <<END\na $((1 + 1))\nb\nEND\necho after", "a 2\nb\nafter"),
        ("for i in 1 2; do\n  echo $i\ndone", "1\n2"),
        ("echo 'two\nlines'", "two\nlines"),
        ("# only a comment", ""),
        ("echo a \\\n  b", "a b"),
        ("echo tab\\\tseparated", "tab\tseparated"),
        ("echo äöü €", "äöü €"),
        (": '" + "x" * 100_000 + "'; echo done", "done"),
        ("printf %s " + "y" * 100_000 + " | wc -c", "100000"),
        ("alias ll='echo aliased'\nll x", "aliased x"),
        ("test -t 0 && test -t 1 && echo terminal", "terminal"),
        ("echo one | cat -A", "one$"),
    ],
)
def test_commands_of_every_form_run(conversation: Conversation, command: str, expected: str) -> None:
    assert conversation.text(command) == expected


@pytest.mark.parametrize("command", ['echo "never closed', "if true; then", "echo $(", ")", "cat <<'E"])
def test_a_syntax_error_is_told_and_the_shell_lives(conversation: Conversation, command: str) -> None:
    conversation.terminal("kept=yes")
    conversation.terminal(command)
    assert conversation.text("echo $kept") == "yes"


def test_an_unfinished_substitution_leaves_no_shell_with_a_broken_memory(
    start_server: Callable[..., Server],
) -> None:
    """bash 5.2 writes beside its memory after it. glibc notices for certain; without its checks some shells abort."""
    checked = {"LD_PRELOAD": "libc_malloc_debug.so.0", "GLIBC_TUNABLES": "glibc.malloc.check=3"}
    conversation = Conversation(start_server(**checked))
    for number in range(8):
        session = f"s{number}"
        conversation.terminal("kept=yes; f() { echo $kept; }; alias g=f; cd /usr", session=session)
        for command in ("echo $(", "cat <(echo x", "echo $((1 +"):
            result = conversation.terminal(command, session=session)
            assert result.meta["exit_code"] == 2
            assert conversation.text("g; pwd", session=session) == "yes\n/usr"


def test_an_unfinished_quote_is_named(conversation: Conversation) -> None:
    result = conversation.terminal('echo "never closed')
    assert "unexpected EOF while looking for matching" in result.content[0].text
    assert result.meta["exit_code"] == 2


@pytest.mark.parametrize("command", ["set -u; echo $nothing", "echo ${nothing?bad}", "readonly r=1; r=2"])
def test_a_failed_expansion_does_not_end_the_shell(conversation: Conversation, command: str) -> None:
    conversation.terminal("kept=yes")
    assert conversation.terminal(command).meta["exit_code"] == 1
    assert conversation.text("set +u; echo $kept") == "yes"


def test_exit_ends_the_shell_and_the_next_command_says_so(conversation: Conversation) -> None:
    ended = conversation.terminal("lost=yes; cd /tmp; exit 3")
    assert ended.meta["exit_code"] == 3
    assert "shell ended with exit code 3" in ended.content[0].text
    fresh = conversation.text("echo [$lost] $PWD")
    assert fresh == "[] /tmp\n[This ran in a fresh shell; the one before it had ended.]"
    assert conversation.text("echo normal") == "normal"


def test_exec_runs_its_program_to_the_end(conversation: Conversation) -> None:
    result = conversation.terminal("exec bash -c 'echo replaced; exit 4'")
    assert result.content[0].text.startswith("replaced\n[The shell ended with exit code 4")
    assert "fresh shell" in conversation.text("true")


def test_exec_with_redirections_keeps_the_shell(conversation: Conversation) -> None:
    conversation.terminal("exec 3>note; exec >log")
    assert conversation.text("echo hidden; echo noted >&3") == ""
    assert conversation.text("exec >/dev/tty; cat log note") == "hidden\nnoted"


@pytest.mark.parametrize("redirection", ["</dev/null", "<&-", "<<<'exit 3'", "</dev/null >/dev/null 2>&1"])
def test_a_shell_whose_input_was_taken_away_is_kept_and_runs_the_next_command(
    conversation: Conversation, redirection: str
) -> None:
    conversation.terminal(f"kept=yes; exec {redirection}")
    result = conversation.terminal("exec >/dev/tty; echo $kept; read line; echo $line", timeout=0.5)
    assert result.meta["still_running"]
    assert result.content[0].text.startswith("yes")
    assert conversation.text("typed", is_input=True) == "typed"


def test_set_e_stops_the_command_and_carries_the_shells_state_over(conversation: Conversation) -> None:
    result = conversation.terminal("cd /tmp; kept=yes; greet() { echo hi; }; set -e; false; echo never")
    assert result.meta["exit_code"] == 1
    assert "`set -e` was on" in result.content[0].text
    assert "never" not in result.content[0].text
    assert conversation.text("greet; echo $kept $PWD").startswith("hi\nyes /tmp\n")


def test_set_e_does_not_reach_into_later_commands(conversation: Conversation) -> None:
    conversation.terminal("set -e; kept=yes")
    conversation.terminal("false; true")
    assert conversation.text("echo $kept") == "yes"


def test_set_x_shows_the_commands_and_nothing_of_ours(conversation: Conversation) -> None:
    assert conversation.text("set -x") == ""
    assert conversation.text("echo traced") == "++ echo traced\ntraced"
    assert conversation.text("set +x") == "++ set +x"
    assert conversation.text("set -v") == ""
    assert conversation.text("echo quiet") == "quiet"


def test_what_a_command_prints_cannot_be_taken_for_its_end(conversation: Conversation) -> None:
    forged = r"printf 'end\0001\0000\000/forged\000h\000'; echo $PROMPT_COMMAND; printf x >&9; echo end"
    result = conversation.terminal(forged + "; sleep 0.2; (exit 5)")
    assert result.meta["exit_code"] == 5
    assert result.meta["working_directory"] != "/forged"


def test_prompts_and_prompt_commands_of_others_do_no_harm(conversation: Conversation) -> None:
    conversation.terminal("PS1='mine> '; PROMPT_COMMAND='echo hook'")
    assert conversation.text("echo one; unset PROMPT_COMMAND").endswith("one")
    assert conversation.text("echo two").endswith("two")
    stuck = conversation.terminal("PROMPT_COMMAND=; while :; do :; done", timeout=0.2)
    assert stuck.meta["still_running"]


@pytest.mark.parametrize("options", ["set -u", "set -eu", "set -euo pipefail"])
def test_a_missing_prompt_command_is_no_unbound_variable(conversation: Conversation, options: str) -> None:
    result = conversation.terminal(f"{options}; unset PROMPT_COMMAND; echo one", timeout=3)
    assert (result.content[0].text, result.meta["exit_code"]) == ("one", 0)
    assert conversation.terminal("echo ${nothing}; echo never", timeout=3).meta["exit_code"] == 1
    assert conversation.text("set +u; echo two").endswith("two")


def test_a_script_sees_an_interactive_shell_without_a_prompt_in_its_output(
    conversation: Conversation,
) -> None:
    assert conversation.text('[ -n "$PS1" ] && case $- in *i*) echo interactive;; esac') == "interactive"


def test_commands_find_a_clean_environment(conversation: Conversation) -> None:
    text = conversation.text("env; set")
    assert "OPENHANDS_" not in text.replace("__openhands", "")
    assert "open-sesame" not in text
    assert conversation.text("echo $FROM_IMAGE $PAGER $GIT_PAGER $TERM") == "theirs cat cat xterm-256color"


def test_the_users_bashrc_is_read(conversation: Conversation) -> None:
    bashrc = conversation.server.home / ".bashrc"
    bashrc.write_text("from_bashrc=yes\n")
    try:
        assert conversation.text("echo $from_bashrc") == "yes"
    finally:
        bashrc.unlink()


def test_a_broken_pipe_ends_a_writer_quietly(conversation: Conversation) -> None:
    assert conversation.text("yes | head -1") == "y"


def test_a_nul_byte_in_a_command_is_refused_with_a_way_out(conversation: Conversation) -> None:
    result = conversation.terminal("echo a\0b")
    assert result.outcome == "error"
    assert "NUL byte" in result.content[0].text
    assert conversation.text("printf 'a\\0b\\n' | wc -c") == "4"


def test_a_session_whose_files_are_gone_says_so(conversation: Conversation) -> None:
    conversation.terminal("true")
    sessions = conversation.server.folder / "data" / "sessions"
    mine = max(sessions.iterdir(), key=lambda path: int(path.name))
    conversation.terminal(f"rm {mine}/[0-9]*")
    assert conversation.text("echo hi") == "hi"
    conversation.terminal(f"cd {mine} && rm [0-9]* && mkdir $(seq 100)")
    result = conversation.terminal("echo hi")
    assert result.outcome == "error"
    assert "Use another" in result.content[0].text
    assert conversation.text("echo hi", session="other") == "hi"


@pytest.mark.service("tmpfs")
def test_with_the_disk_full_a_command_keeps_its_output_and_room_can_be_made(tmp_path: Path) -> None:
    with SmallDisk(tmp_path / "small", 2) as disk, closing_server(Server(disk.folder / "server")) as server:
        conversation = Conversation(server)
        assert conversation.text("kept=yes; echo before") == "before"
        disk.fill()
        result = conversation.terminal("seq 20000; (exit 3)")
        assert (result.outcome, result.meta["exit_code"]) == ("ok", 3)
        assert result.content[0].text.startswith("1\n2\n")
        assert "only a part of it could be kept" in result.content[0].text
        for _ in range(2):
            too_long = conversation.terminal(": '" + "x" * 100_000 + "'")
            assert too_long.outcome == "error"
            assert "no space left on the disk" in too_long.content[0].text
        unused = conversation.terminal("echo never", session="new")
        assert (unused.outcome, "o space left on" in unused.content[0].text) == ("error", True)
        assert conversation.text(f"rm {disk.folder}/filler; echo $kept") == "yes"
        assert conversation.text("echo now", session="new") == "now"
        assert conversation.text(": '" + "x" * 100_000 + "'; echo again") == "again"


@contextmanager
def closing_server(server: Server) -> Iterator[Server]:
    try:
        yield server
    finally:
        server.stop()
