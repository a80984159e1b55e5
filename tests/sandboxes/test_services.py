from collections.abc import Callable

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.models import User
from sandboxes import services
from sandboxes.backends import memory as memory_backend
from sandboxes.models import Runtime, Sandbox
from sandboxes.states import SandboxState, Wanted

Told = list[tuple[str, ...]]


def test_a_new_sandbox_waits_until_its_start_is_asked_for(owner: User, told: Told) -> None:
    sandbox = services.create_sandbox(owner=owner)
    assert (sandbox.state, sandbox.wanted, sandbox.due_since) == (SandboxState.STARTING, Wanted.RUNNING, None)
    assert services.reach(sandbox_id=sandbox.pk) is None
    assert told == []


def test_asking_twice_for_a_start_is_asking_once(sandbox: Sandbox, told: Told) -> None:
    due_since = Sandbox.objects.get().due_since
    services.request_start(sandbox_id=sandbox.pk)
    assert told == [("phase", "queued")]
    assert Sandbox.objects.get().due_since == due_since


def test_a_running_sandbox_is_not_started_again(running: Sandbox, told: Told) -> None:
    told.clear()
    services.request_start(sandbox_id=running.pk)
    assert told == []


def test_a_sandbox_that_is_to_be_removed_is_not_started_again(running: Sandbox, told: Told) -> None:
    services.request_removal(sandbox_id=running.pk)
    told.clear()
    services.request_start(sandbox_id=running.pk)
    assert told == []
    assert Sandbox.objects.get().wanted == Wanted.REMOVED


def test_where_a_sandbox_answers_does_not_show_its_key(running: Sandbox) -> None:
    where = services.reach(sandbox_id=running.pk)
    assert where
    assert where.key
    assert where.key not in repr(where)


def test_a_life_that_goes_on_is_not_lost_because_it_did_not_answer_once(running: Sandbox, told: Told) -> None:
    services.report_unreachable(sandbox_id=running.pk, boot_id=Runtime.objects.get().boot_id)
    assert Sandbox.objects.get().state == SandboxState.RUNNING
    assert told[-1][0] == "ready"


def test_a_life_that_goes_on_in_silence_is_ended_once_and_told_as_lost(running: Sandbox, told: Told) -> None:
    boot_id = Runtime.objects.get().boot_id
    for _ in range(2):
        services.end_silent_life(sandbox_id=running.pk, boot_id=boot_id)
    assert not list(memory_backend.MemoryBackend().lives())
    assert Sandbox.objects.get().state == SandboxState.MISSING
    assert "had not answered for 60 s" in Sandbox.objects.get().error
    assert [words[0] for words in told].count("lost") == 1


def test_the_silence_of_an_earlier_life_does_not_end_the_present_one(running: Sandbox) -> None:
    services.end_silent_life(sandbox_id=running.pk, boot_id="an earlier one")
    assert [life.sandbox_id for life in memory_backend.MemoryBackend().lives()] == [running.pk]
    assert Sandbox.objects.get().state == SandboxState.RUNNING


def test_with_its_backend_silent_too_no_life_is_judged(
    running: Sandbox, memory: Callable[[str], None]
) -> None:
    memory("Silent")
    runtime = Runtime.objects.get()
    assert not services.report_unreachable(sandbox_id=running.pk, boot_id=runtime.boot_id)
    services.end_silent_life(sandbox_id=running.pk, boot_id=runtime.boot_id)
    assert Sandbox.objects.get().state == SandboxState.RUNNING


def test_a_sandbox_whose_life_is_over_is_missing_and_the_loss_is_told_once(
    running: Sandbox, told: Told
) -> None:
    boot_id = Runtime.objects.get().boot_id
    memory_backend.kill(running.pk)
    for _ in range(2):
        services.report_unreachable(sandbox_id=running.pk, boot_id=boot_id)
    assert Sandbox.objects.get().state == SandboxState.MISSING
    assert Runtime.objects.get().ended_at is not None
    assert [words[0] for words in told].count("lost") == 1
    assert services.reach(sandbox_id=running.pk) is None


def test_the_report_about_an_earlier_life_does_not_touch_the_present_one(running: Sandbox) -> None:
    memory_backend.kill(running.pk)
    services.report_unreachable(sandbox_id=running.pk, boot_id="an earlier one")
    assert Sandbox.objects.get().state == SandboxState.RUNNING


@pytest.mark.parametrize("order", [services.request_start, services.request_removal])
def test_every_order_gives_one_hint_when_it_is_committed(
    owner: User,
    told: Told,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
    order: Callable[..., None],
) -> None:
    sandbox = services.create_sandbox(owner=owner)
    with django_capture_on_commit_callbacks() as callbacks:
        order(sandbox_id=sandbox.pk)
    assert len(callbacks) == 1
    assert Sandbox.objects.get().due_since is not None
