import uuid
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from conversations.models import Conversation, Event
from openhands_site.work import facts, report
from openhands_site.work.report import Answer
from openhands_site.workers.models import Worker
from sandboxes import services as sandboxes
from sandboxes.backends import memory as memory_backend
from sandboxes.backends.base import SandboxSpec
from sandboxes.backends.memory import MemoryBackend
from sandboxes.models import Sandbox
from tests.openhands_site.work.conftest import MakeTask, sandbox_id

pytestmark = pytest.mark.django_db


def answers() -> dict[str, Answer]:
    work = facts.gather()
    return {name: question(work) for name, question in report.QUESTIONS.items()}


def test_where_all_is_well_every_answer_is_a_sentence(live: Worker, task: MakeTask) -> None:
    task(live)
    Sandbox.objects.update(due_since=None)
    told = answers()
    assert [answer.wrong for answer in told.values()] == [[], [], [], []]
    assert told["leases"].sentence == "Living workers: 1; leases that they hold: 1."
    assert told["leases"].others[0].startswith("agent (here, pid 1), lives, heartbeat ")
    assert "fence 7" in told["leases"].others[1]
    assert "held by agent (here, pid 1)" in told["actions"].others[0]


def test_what_is_wrong_comes_with_its_remedy(
    owner: User, dead: Worker, task: MakeTask, running: Conversation
) -> None:
    abandoned = task(dead)
    left = task(title="Left behind")
    Conversation.objects.filter(pk=left.pk).update(due_since=None)
    Event.objects.exclude(conversation=left).update(created_at=timezone.now() - timedelta(seconds=200))
    ownerless, stray = sandboxes.create_sandbox(owner=owner), uuid.uuid4()
    MemoryBackend().start(stray, SandboxSpec(), lambda *_: None)
    memory_backend.kill(sandbox_id(running))
    told = answers()
    assert "frees at once what dead ones hold" in told["leases"].sentence
    assert told["leases"].wrong[0].endswith("holds 1")
    assert str(abandoned.pk) in told["leases"].wrong[1]
    assert "tells the workers again" in told["due"].sentence
    assert f"“Mend the roof” ({abandoned.pk})" in told["due"].wrong[0]
    assert "waits for a minute; may be taken by nobody: no live worker" in told["due"].wrong[0]
    assert "never runs it again" in told["actions"].sentence
    told_of_it = "terminal: $ sleep 600; begun 3 minutes ago, in “Mend the roof”, held by nobody"
    assert told["actions"].wrong[0].startswith(told_of_it)
    assert f"“Left behind” ({left.pk})" in told["actions"].wrong[-1]
    assert [line for line in told["ownerless"].wrong if str(ownerless.pk) in line]
    assert [line for line in told["ownerless"].wrong if str(stray) in line]
    assert [line for line in told["ownerless"].wrong if str(running.sandbox_id) in line]


def run_doctor(settings: Settings, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[str, str]:
    """What it printed, and what it failed with; there is no Redis."""
    settings.REDIS_URL = "unix:///nowhere/redis.sock"
    with pytest.raises(CommandError) as failure:
        call_command("doctor", *arguments)
    return capsys.readouterr().out, str(failure.value)


def test_the_command_prints_what_stands_out_and_fails(
    dead: Worker, task: MakeTask, settings: Settings, capsys: pytest.CaptureFixture[str], memory: object
) -> None:
    made = task(dead)
    printed, failed = run_doctor(settings, capsys)
    assert "leases, due, actions" in failed
    assert "ownerless" not in failed
    lines = printed.splitlines()
    first = next(number for number, line in enumerate(lines) if "leases" in line)
    assert lines[first].startswith("wrong  leases")
    assert lines[first + 1].strip().startswith("agent (there, pid 2), dead")
    assert str(made.pk) in lines[first + 2]


def test_the_command_lists_what_is_well_when_asked(
    live: Worker, task: MakeTask, settings: Settings, capsys: pytest.CaptureFixture[str], memory: object
) -> None:
    made = task(live)
    assert str(made.pk) not in run_doctor(settings, capsys)[0]
    assert str(made.pk) in run_doctor(settings, capsys, "--verbosity", "2")[0]


def test_mending_says_what_it_did_and_the_questions_then_find_it_well(
    dead: Worker,
    owner: User,
    task: MakeTask,
    settings: Settings,
    capsys: pytest.CaptureFixture[str],
    memory: object,
) -> None:
    task(dead)
    sandboxes.create_sandbox(owner=owner)
    printed, failed = run_doctor(settings, capsys, "--mend")
    assert "mend   Freed 1 conversation that agent (there, pid 2) held" in printed
    assert "is being removed with its files" in printed
    assert "leases" not in failed
    assert "ownerless" not in failed


def test_with_nothing_to_mend_it_says_so(
    settings: Settings, capsys: pytest.CaptureFixture[str], memory: object
) -> None:
    assert "There was nothing to mend." in run_doctor(settings, capsys, "--mend")[0]
