"""`manage.py run_task`: the exit codes that scripts rely on, and what it leaves behind."""

import json
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection
from pytest_django import Settings

from accounts.models import User
from conversations.headless import HeadlessTask
from conversations.llm.base import Reply, ToolCall
from conversations.llm.errors import LLMError
from conversations.models import Conversation
from openhands_site.workers.models import Worker
from sandboxes.models import Sandbox
from tests.conversations.agent.driver import log_of
from tests.fakes.models import Held, ScriptedTurns, Turn, call, calls

pytestmark = pytest.mark.django_db(transaction=True)
FINISH = calls(call("finish", message="All done."))


@pytest.fixture(autouse=True)
def _signals_as_before() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, action in before.items():
        signal.signal(number, action)


def run_task(owner: User, *turns: Turn, **options: object) -> int:
    with pytest.raises(SystemExit) as ended:
        call_command("run_task", "Do it", model=ScriptedTurns(turns).name, user=owner.email, **options)
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize(
    ("turns", "code"),
    [
        ([FINISH], 0),
        ([Reply("What do you mean?")], 0),
        ([LLMError("The provider refuses.")], 1),
        ([calls(call("terminal", command="false")) for _ in range(4)], 1),
    ],
    ids=["finished", "answered", "error", "stuck"],
)
def test_the_exit_code_says_how_it_ended(owner: User, turns: list[Turn], code: int) -> None:
    assert run_task(owner, *turns) == code


def test_a_limit_is_exit_code_2(owner: User, settings: Settings) -> None:
    settings.MAX_STEPS = 1
    assert run_task(owner, calls(call("think", thought="hm"))) == 2


def test_events_come_as_json_lines_in_order(owner: User, capsys: pytest.CaptureFixture[str]) -> None:
    run_task(owner, FINISH, json=True)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert [line["sequence"] for line in lines] == list(range(1, len(lines) + 1))


def test_a_person_reads_what_was_called_also_where_it_does_not_parse(
    owner: User, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = ToolCall("call_1", "terminal", '{"command": "unfinished')
    run_task(owner, calls(call("terminal", command="echo hello")), calls(broken), FINISH)
    said = capsys.readouterr().out.splitlines()
    assert "terminal: echo hello" in said
    assert 'terminal: {"command": "unfinished' in said


def test_of_several_calls_at_once_each_output_stands_below_its_call(
    owner: User, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = (call("terminal", command=f"echo {word}") for word in ("one", "two"))
    run_task(owner, calls(one, two), calls(call("terminal", command="echo three")), FINISH)
    said = capsys.readouterr().out
    for word in ("one", "two", "three"):
        assert f"terminal: echo {word}\n  ok, exit code 0\n  | {word}\n" in said
    assert said.count("terminal: echo three") == 1


@pytest.mark.parametrize(("keep", "left"), [(False, 0), (True, 1)])
def test_the_sandbox_is_removed_unless_it_is_to_be_kept(owner: User, keep: bool, left: int) -> None:
    run_task(owner, FINISH, keep=keep)
    assert Sandbox.objects.count() == left
    assert not Worker.objects.exists()
    assert Conversation.objects.get().reserved_for is None


def test_a_stop_from_a_signal_ends_the_task_as_stopped(owner: User) -> None:
    held = Held(Reply("never said"))
    task = HeadlessTask(owner=owner, text="Do it", model=ScriptedTurns([held]).name)
    for _ in task.run():
        if held.begun.is_set():
            task.stop()
        elif Conversation.objects.get().agent_state == "running":
            held.begun.wait(10)
            task.stop()
    task.end(keep_sandbox=False)
    assert Conversation.objects.get().agent_state == "stopped"


class Outage:
    """The database, as this thread sees it: for a moment after each `begin` it is away."""

    def __init__(self) -> None:
        self._ends_at = 0.0

    def begin(self) -> None:
        self._ends_at = time.monotonic() + 0.2

    def __call__(self, execute: Callable[..., Any], *query: Any) -> Any:
        if time.monotonic() < self._ends_at:
            raise OperationalError("the connection was lost")
        return execute(*query)


def test_a_task_survives_a_database_that_is_away_for_a_moment(owner: User) -> None:
    task = HeadlessTask(owner=owner, text="Do it", model=ScriptedTurns([FINISH]).name)
    outage, seen = Outage(), []
    with connection.execute_wrapper(outage):
        for event in task.run():
            seen.append(event.sequence)
            outage.begin()
        outage.begin()
        task.end(keep_sandbox=False)
        outage.begin()
        assert task.final_state() == "finished"
    assert seen == list(range(1, len(log_of(Conversation.objects.get())) + 1))
    assert not Sandbox.objects.exists()
    assert not Worker.objects.exists()


def test_a_stop_that_comes_while_the_database_is_away_is_ordered_when_it_is_back(owner: User) -> None:
    held = Held(Reply("never said"))
    task = HeadlessTask(owner=owner, text="Do it", model=ScriptedTurns([held]).name)
    outage = Outage()
    with connection.execute_wrapper(outage):
        for event in task.run():
            if event.payload.get("state") == "running":
                held.begun.wait(10)
                outage.begin()
                task.stop()
        task.end(keep_sandbox=False)
    assert Conversation.objects.get().agent_state == "stopped"


def test_wrong_options_are_said_plainly(owner: User) -> None:
    with pytest.raises(CommandError, match="There is no active account with the e-mail address nobody"):
        call_command("run_task", "Do it", user="nobody@example.com")
    with pytest.raises(CommandError, match="give an amount"):
        call_command("run_task", "Do it", user=owner.email, max_budget="lots")
    with pytest.raises(CommandError, match="The message is empty"):
        call_command("run_task", "  ", user=owner.email)
