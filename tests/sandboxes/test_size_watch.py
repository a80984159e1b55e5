from collections.abc import Callable

from pytest_django import Settings

from sandboxes import size_watch
from sandboxes.models import Sandbox
from sandboxes.states import SandboxState
from tests.sandboxes.doubles import SlowToCount, living


def test_a_sandbox_that_has_grown_too_large_is_stopped_and_says_so(
    running: Sandbox, memory: Callable[[str], None], settings: Settings, told: list[tuple[str, ...]]
) -> None:
    memory("Large")
    settings.SANDBOX_DISK_MB = 10_000
    size_watch.stop_oversized()
    assert not list(living())
    stopped = Sandbox.objects.get()
    assert stopped.state == SandboxState.MISSING
    assert "take 20000 MB and SANDBOX_DISK_MB allows 10000" in stopped.error
    assert told[-1] == ("lost", stopped.error)


def test_a_sandbox_below_the_limit_goes_on(running: Sandbox, settings: Settings) -> None:
    settings.SANDBOX_DISK_MB = 1
    size_watch.stop_oversized()
    assert list(living()) == [running.pk]


def test_without_a_limit_nothing_is_stopped(
    running: Sandbox, memory: Callable[[str], None], settings: Settings
) -> None:
    memory("Large")
    settings.SANDBOX_DISK_MB = 0
    size_watch.stop_oversized()
    assert list(living()) == [running.pk]


def test_a_backend_that_is_slow_to_count_is_not_asked_twice_at_once(
    running: Sandbox, memory: Callable[[str], None]
) -> None:
    memory("SlowToCount")
    before = SlowToCount.counts
    size_watch.stop_oversized()
    assert SlowToCount.counts == before + 1
    size_watch.stop_oversized()
    assert SlowToCount.counts == before + 2
