"""Long-running commands, interrupting and resetting."""

import os
import signal
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandboxes.protocol import Result

from .conftest import Conversation, Server, eventually, is_alive

STUBBORN = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('ready', flush=True)"


class Started(threading.Thread):
    """An action that runs while the test goes on; `ended()` waits for its result."""

    def __init__(self, conversation: Conversation, command: str) -> None:
        super().__init__()
        self.action_id = str(uuid.uuid4())
        self._conversation = conversation
        self._command = command
        self._results: list[Result] = []
        self.start()
        assert eventually(lambda: self.action_id in self._running())

    def run(self) -> None:
        self._results.append(self._conversation.act("terminal", self.action_id, command=self._command))

    def interrupt(self) -> Result:
        path = f"/actions/{self.action_id}/interrupt"
        assert self._conversation.server.request("POST", path)[0] == 202
        self.join(20)
        return self._results[0]

    def result(self) -> Result:
        return self._results[0]

    def _running(self) -> list[str]:
        return list(self._conversation.server.request("GET", "/health")[1]["running_actions"])


def pids(path: Path, count: int) -> list[int]:
    """The pids that a command has written into `path`, once there are `count`."""
    assert eventually(lambda: path.exists() and len(path.read_text().split()) == count)
    return [int(pid) for pid in path.read_text().split()]


def test_a_silent_command_is_answered_for_and_read_on(conversation: Conversation) -> None:
    result = conversation.terminal(
        "echo first; sleep 0.6; echo second; exit_code() { return 6; }; exit_code", timeout=0.2
    )
    assert result.meta["still_running"] is True
    assert result.meta["exit_code"] is None
    assert result.content[0].text.startswith("first\n[The command still runs")
    assert "nothing was printed for 0.2 s" in result.content[0].text
    result = conversation.terminal("")
    assert result.content[0].text == "second"
    assert (result.meta["still_running"], result.meta["exit_code"]) == (False, 6)


def test_output_renews_the_patience(conversation: Conversation) -> None:
    assert conversation.text("for i in 1 2 3 4; do sleep 0.2; echo $i; done", timeout=0.5) == "1\n2\n3\n4"


def test_a_second_command_is_refused_while_one_runs(conversation: Conversation) -> None:
    conversation.terminal("sleep 60", timeout=0.1)
    refused = conversation.terminal("echo no")
    assert refused.outcome == "error"
    assert "still running" in refused.content[0].text
    assert "C-c" in refused.content[0].text
    assert conversation.text("echo elsewhere", session="other") == "elsewhere"
    assert conversation.terminal("C-c").meta["exit_code"] == 130


def test_ctrl_c_ends_a_loop_of_builtins_and_of_programs(conversation: Conversation) -> None:
    for loop in ("while :; do :; done", "for i in 1 2 3; do sleep 30; done; echo never"):
        conversation.terminal(f"kept=yes; {loop}", timeout=0.1)
        result = conversation.terminal("C-c", is_input=True)
        assert (result.content[0].text, result.meta["exit_code"]) == ("", 130)
        assert conversation.text("echo $kept") == "yes"


def test_ctrl_z_stops_and_ctrl_d_ends_input(conversation: Conversation) -> None:
    conversation.terminal("cat", timeout=0.1)
    assert conversation.terminal("echoed", is_input=True, timeout=0.1).content[0].text.startswith("echoed\n")
    assert conversation.terminal("C-d").meta["exit_code"] == 0
    conversation.terminal("sleep 60", timeout=0.1)
    assert conversation.terminal("C-z").meta["exit_code"] == 148
    assert "Stopped" in conversation.text("jobs; kill %1")


def test_an_empty_command_shows_what_jobs_printed_meanwhile(conversation: Conversation) -> None:
    conversation.terminal("(sleep 0.1; echo late) &")
    time.sleep(0.3)
    assert conversation.text("") == "late\n[No command is running in this session.]"


def test_an_interrupt_ends_the_process_group_and_the_shell_survives(conversation: Conversation) -> None:
    conversation.terminal("kept=yes; sleep 300 & echo $! > job")
    started = Started(conversation, "echo begun; touch begun; sleep 301 | sleep 302")
    assert eventually((conversation.server.workspace / "begun").exists)
    result = started.interrupt()
    assert result.outcome == "interrupted"
    assert result.content[0].text.startswith("begun\n")
    assert "was interrupted" in result.content[0].text
    assert conversation.text("echo $kept; pgrep -f 'sleep 30[12]'").splitlines() == ["yes"]
    assert conversation.text("kill $(cat job) && echo the job was spared").startswith("the job was spared")


def test_what_ignores_the_interrupt_is_killed_with_its_descendants(
    conversation: Conversation, tmp_path: Path
) -> None:
    log = tmp_path / "pids"
    script = tmp_path / "stubborn.py"
    script.write_text(
        f"{STUBBORN}\nimport os, subprocess\n"
        "child = subprocess.Popen(['sleep', '300'], start_new_session=True)\n"
        f"open({str(log)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}')\ntime.sleep(300)\n"
    )
    conversation.terminal("kept=yes")
    started = Started(conversation, f"python3 {script}")
    stubborn = pids(log, 2)
    begun = time.monotonic()
    assert started.interrupt().outcome == "interrupted"
    assert time.monotonic() - begun < 10
    assert eventually(lambda: not any(map(is_alive, stubborn)))
    assert conversation.text("echo $kept").endswith("yes")


def test_a_descendant_in_a_group_of_its_own_does_not_outlive_the_interrupt(
    conversation: Conversation, tmp_path: Path
) -> None:
    log = tmp_path / "pids"
    started = Started(conversation, f"bash -c 'setsid -w sleep 300 & echo $! > {log}; wait'")
    sleeper = pids(log, 1)[0]
    assert started.interrupt().outcome == "interrupted"
    assert eventually(lambda: not is_alive(sleeper))


def test_a_shell_that_cannot_be_interrupted_is_replaced(conversation: Conversation, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    started = Started(conversation, f"trap '' INT; touch {begun}; while :; do :; done")
    assert eventually(begun.exists)
    result = started.interrupt()
    assert result.outcome == "interrupted"
    assert "shell ended with exit code 137" in result.content[0].text
    assert conversation.text("echo back").startswith("back\n[This ran in a fresh shell")


def test_what_comes_while_an_interrupted_command_still_ends_waits_for_it(
    start_server: Callable[..., Server], tmp_path: Path
) -> None:
    """Ending what ignores an interrupt takes seconds, and a message after a stop comes sooner."""
    patient = "from sandboxes.action_server import session; session._SIGINT_SECONDS = 600"
    conversation = Conversation(start_server(prelude=patient))
    stubborn = Started(conversation, f"echo $$ > {tmp_path}/shell; trap '' INT; while :; do :; done")
    [shell] = pids(tmp_path / "shell", 1)
    conversation.server.request("POST", f"/actions/{stubborn.action_id}/interrupt")
    second, third = Started(conversation, "touch never_ran"), Started(conversation, "echo third")
    conversation.server.request("POST", f"/actions/{second.action_id}/interrupt")
    os.kill(shell, signal.SIGKILL)
    for started in (stubborn, second, third):
        started.join(20)
    assert stubborn.result().outcome == "interrupted"
    assert second.result().outcome == "interrupted"
    assert third.result().content[0].text.startswith("third")
    assert "No such file" in conversation.text("cat never_ran")


@pytest.mark.parametrize("command", ["", "echo fresh"])
def test_a_reset_ends_everything_in_the_session(
    conversation: Conversation, tmp_path: Path, command: str
) -> None:
    log = tmp_path / "pids"
    conversation.terminal(f"lost=yes; cd /tmp; sleep 300 & echo $! > {log}; sleep 301", timeout=0.1)
    job = pids(log, 1)[0]
    text = conversation.text(command, reset=True)
    assert "was reset" in text
    assert eventually(lambda: not is_alive(job))
    assert conversation.text("echo [$lost]; pwd").startswith(f"[]\n{conversation.server.workspace}")


def test_a_reset_does_not_wait_for_an_action_that_waits(conversation: Conversation, tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    stubborn = Started(conversation, f"trap '' INT; touch {begun}; while :; do echo on; sleep 0.05; done")
    assert eventually(begun.exists)
    assert "Another action is waiting" in conversation.text("echo no")
    asked = time.monotonic()
    assert conversation.text("echo fresh", reset=True).startswith("fresh\n")
    assert time.monotonic() - asked < 20
    stubborn.join(20)
    assert stubborn.result().outcome == "interrupted"
    assert conversation.text("echo open") == "open"


def test_input_with_nothing_running_is_an_error(conversation: Conversation) -> None:
    for command in ("yes", "C-c"):
        result = conversation.terminal(command, is_input=True)
        assert result.outcome == "error"
        assert "Nothing is running" in result.content[0].text


def test_conversations_and_sessions_do_not_share_a_shell(conversation: Conversation) -> None:
    conversation.terminal("mine=yes")
    assert conversation.text("echo [$mine]", session="other") == "[]"
    assert Conversation(conversation.server).text("echo [$mine]") == "[]"


@pytest.mark.parametrize(
    "arguments", [{"session": "a.b"}, {"session": "a\n"}, {"timeout": 0}, {"timeout": 3601}]
)
def test_what_the_server_would_not_send_is_an_error_here_too(
    conversation: Conversation, arguments: dict[str, Any]
) -> None:
    assert conversation.terminal("echo no", **arguments).outcome == "error"
