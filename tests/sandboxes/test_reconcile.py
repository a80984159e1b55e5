import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from openhands_site.workers.models import Worker
from sandboxes import reconcile, services, size_watch
from sandboxes.backends import memory as memory_backend
from sandboxes.backends.base import SandboxSpec
from sandboxes.backends.memory import MemoryBackend
from sandboxes.models import Runtime, Sandbox
from sandboxes.reconcile import Adoption, Comparison
from sandboxes.states import SandboxState
from tests.sandboxes.doubles import living

Told = list[tuple[str, ...]]


def test_a_life_that_its_row_still_wants_is_kept(running: Sandbox) -> None:
    assert reconcile.adopt() == Adoption(kept=1, ended=0, lost=0)
    assert list(living()) == [running.pk]
    assert services.reach(sandbox_id=running.pk)


def test_a_life_that_no_row_wants_is_ended(running: Sandbox) -> None:
    stray = uuid.uuid4()
    MemoryBackend().start(stray, SandboxSpec(), lambda *_: None)
    Sandbox.objects.update(state=SandboxState.ERROR)
    assert reconcile.adopt() == Adoption(kept=0, ended=2, lost=0)
    assert not list(living())


@pytest.mark.parametrize("lives", [True, False])
def test_a_life_that_a_living_worker_is_just_starting_is_left_alone(
    sandbox: Sandbox, worker: Worker, lives: bool
) -> None:
    """A `run_task` needs no server, and may have begun before one starts."""
    MemoryBackend().start(sandbox.pk, SandboxSpec(), lambda *_: None)
    Sandbox.objects.update(lease_worker=worker)
    if not lives:
        Worker.objects.update(last_seen=timezone.now() - timedelta(minutes=2))
    assert reconcile.adopt() == Adoption(kept=0, ended=0 if lives else 1, lost=0)
    assert list(living()) == ([sandbox.pk] if lives else [])


def test_another_life_than_the_rows_is_ended_and_the_sandbox_missing(running: Sandbox, told: Told) -> None:
    MemoryBackend().start(running.pk, SandboxSpec(), lambda *_: None)
    assert reconcile.adopt() == Adoption(kept=0, ended=1, lost=1)
    assert Sandbox.objects.get().state == SandboxState.MISSING
    assert told[-1][0] == "lost"


def test_a_row_whose_life_ended_meanwhile_is_missing(running: Sandbox, told: Told) -> None:
    memory_backend.kill(running.pk)
    assert reconcile.adopt() == Adoption(kept=0, ended=0, lost=1)
    assert Sandbox.objects.get().state == SandboxState.MISSING
    assert Runtime.objects.get().ended_at is not None
    assert told[-1][0] == "lost"


def test_when_the_server_stops_every_life_ends_and_its_sandbox_is_missing(
    running: Sandbox, told: Told
) -> None:
    assert reconcile.end_all() == 1
    assert not list(living())
    assert Sandbox.objects.get().state == SandboxState.MISSING
    assert told[-1] == ("lost", "The server was stopped.")
    assert reconcile.end_all() == 0


def test_one_sandbox_that_cannot_be_ended_does_not_keep_the_others(
    running: Sandbox, memory: Callable[[str], None]
) -> None:
    memory("Broken")
    assert reconcile.end_all() == 1
    assert Sandbox.objects.get().state == SandboxState.MISSING


def test_where_rows_and_lives_agree_a_comparison_finds_nothing(running: Sandbox) -> None:
    assert reconcile.compare() == Comparison([], [])


def test_a_comparison_finds_lives_without_a_row_and_changes_nothing(running: Sandbox) -> None:
    stray = uuid.uuid4()
    MemoryBackend().start(stray, SandboxSpec(), lambda *_: None)
    found = reconcile.compare()
    assert [(each.backend, each.life.sandbox_id) for each in found.strays] == [("memory", stray)]
    assert not found.losses
    assert set(living()) == {running.pk, stray}


def test_another_life_than_the_rows_is_a_stray_and_a_loss(running: Sandbox) -> None:
    MemoryBackend().start(running.pk, SandboxSpec(), lambda *_: None)
    found = reconcile.compare()
    assert [each.life.sandbox_id for each in found.strays] == [running.pk]
    assert [each.runtime.sandbox_id for each in found.losses] == [running.pk]
    assert "has ended" in found.losses[0].problem


def test_what_a_worker_is_at_is_neither(running: Sandbox) -> None:
    Runtime.objects.update(ended_at=timezone.now())
    Sandbox.objects.update(due_since=timezone.now())
    assert reconcile.compare() == Comparison([], [])
    Runtime.objects.update(ended_at=None)
    memory_backend.kill(running.pk)
    assert reconcile.compare() == Comparison([], [])


def test_a_life_whose_sandbox_is_in_error_has_its_row(running: Sandbox) -> None:
    Sandbox.objects.update(state=SandboxState.ERROR)
    assert reconcile.compare() == Comparison([], [])


def test_a_backend_that_is_no_longer_configured_is_told_and_the_others_compared(running: Sandbox) -> None:
    Runtime.objects.update(backend="forgotten")
    found = reconcile.compare()
    assert found.problem.startswith("The backend forgotten could not be asked")
    assert [each.life.sandbox_id for each in found.strays] == [running.pk]


def test_a_stray_is_ended_once_and_a_life_with_a_row_never(running: Sandbox) -> None:
    stray = uuid.uuid4()
    MemoryBackend().start(stray, SandboxSpec(), lambda *_: None)
    assert reconcile.end_stray(stray)
    assert not reconcile.end_stray(stray)
    assert not reconcile.end_stray(running.pk)
    assert list(living()) == [running.pk]


@pytest.mark.parametrize("trouble", ["Silent", "Refusing"])
def test_where_the_backend_does_not_answer_nobody_is_judged(
    running: Sandbox, memory: Callable[[str], None], trouble: str
) -> None:
    memory(trouble)
    boot_id = running.runtimes.get().boot_id
    assert reconcile.adopt() == Adoption(0, 0, 0)
    assert reconcile.end_all() == 0
    assert "could not be asked" in reconcile.compare().problem
    services.report_unreachable(sandbox_id=running.pk, boot_id=boot_id)
    size_watch.stop_oversized()
    running.refresh_from_db()
    assert running.state == SandboxState.RUNNING
