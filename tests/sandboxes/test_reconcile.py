import uuid
from collections.abc import Callable

from sandboxes import reconcile, services
from sandboxes.backends import memory as memory_backend
from sandboxes.backends.base import SandboxSpec
from sandboxes.backends.memory import MemoryBackend
from sandboxes.models import Runtime, Sandbox
from sandboxes.reconcile import Adoption
from sandboxes.states import SandboxState
from tests.sandboxes.doubles import living

Told = list[tuple[str, ...]]


def test_a_life_that_its_row_still_wants_is_kept(running: Sandbox) -> None:
    assert reconcile.adopt() == Adoption(kept=1, ended=0, lost=0)
    assert list(living()) == [running.pk]
    assert services.reach(sandbox_id=running.pk)


def test_a_life_that_no_row_wants_is_ended(running: Sandbox) -> None:
    stray = uuid.uuid4()
    MemoryBackend().start(stray, SandboxSpec(), lambda phase: None)
    Sandbox.objects.update(state=SandboxState.ERROR)
    assert reconcile.adopt() == Adoption(kept=0, ended=2, lost=0)
    assert not list(living())


def test_another_life_than_the_rows_is_ended_and_the_sandbox_missing(running: Sandbox, told: Told) -> None:
    MemoryBackend().start(running.pk, SandboxSpec(), lambda phase: None)
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
