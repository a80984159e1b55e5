"""Doubles that enter through settings: backends that misbehave by design, and an observer that remembers."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from threading import Timer
from typing import ClassVar
from uuid import UUID

from django.db import connection

from sandboxes import size_watch
from sandboxes.backends import memory
from sandboxes.backends.base import Handle, Life, Progress, SandboxSpec, Started
from sandboxes.backends.memory import MemoryBackend
from sandboxes.errors import BackendSilent, SandboxError, StartFailed
from sandboxes.models import Sandbox
from sandboxes.states import Wanted
from tests.fakes.tcp_proxy import TcpProxy


class Recorder:
    """An observer. `told` is emptied by the fixture that installs it."""

    told: ClassVar[list[tuple[str, ...]]] = []
    milliseconds: ClassVar[list[int]] = []

    def phase_reached(self, sandbox_id: UUID, phase: str, milliseconds: int, detail: str) -> None:
        self._tell("phase", phase, milliseconds=milliseconds)

    def ready(self, sandbox_id: UUID, boot_id: str, milliseconds: int) -> None:
        self._tell("ready", boot_id, milliseconds=milliseconds)

    def failed(self, sandbox_id: UUID, phase: str, milliseconds: int, message: str) -> None:
        self._tell("failed", phase, message, milliseconds=milliseconds)

    def lost(self, sandbox_id: UUID, message: str) -> None:
        self._tell("lost", message)

    def removed(self, sandbox_id: UUID) -> None:
        self._tell("removed")

    def _tell(self, *words: str, milliseconds: int = 0) -> None:
        assert connection.in_atomic_block
        self.told.append(words)
        self.milliseconds.append(milliseconds)


class NeverReady(MemoryBackend):
    def start(self, sandbox_id: UUID, spec: SandboxSpec, progress: Progress) -> Started:
        progress("create", "")
        progress("boot", "")
        raise StartFailed("boot", "The action server was not ready within 120 s. Its log: \0")


class Broken(MemoryBackend):
    """Breaks its contract in every way it can."""

    def start(self, sandbox_id: UUID, spec: SandboxSpec, progress: Progress) -> Started:
        progress("create", "")
        raise KeyError("surprise")

    def remove(self, sandbox_id: UUID) -> None:
        raise TimeoutError("Processes cannot be ended.")

    def stop(self, sandbox_id: UUID, handle: Handle, *, now: bool = False) -> None:
        raise TimeoutError("Processes cannot be ended.")


class Silent(MemoryBackend):
    """What it stands on does not answer."""

    error: ClassVar[SandboxError] = BackendSilent("The engine does not answer.")

    def start(self, sandbox_id: UUID, spec: SandboxSpec, progress: Progress) -> Started:
        raise self.error

    def poll(self, sandbox_id: UUID, handle: Handle) -> str | None:
        raise self.error

    def stop(self, sandbox_id: UUID, handle: Handle, *, now: bool = False) -> None:
        raise BackendSilent("The engine does not answer.")

    def remove(self, sandbox_id: UUID) -> None:
        raise self.error

    def disk_bytes(self, sandbox_ids: Collection[UUID]) -> dict[UUID, int]:
        raise self.error

    def lives(self) -> Iterator[Life]:
        raise self.error


class Refusing(Silent):
    """It answers, and does nothing."""

    error = SandboxError("The engine refused: it is in trouble.")


class WithImages(MemoryBackend):
    """Takes images, and shows what it was asked for in its isolation."""

    takes_images = True

    def start(self, sandbox_id: UUID, spec: SandboxSpec, progress: Progress) -> Started:
        progress("image", f"Pulling {spec.image}")
        return replace(super().start(sandbox_id, spec, progress), isolation=f"image {spec.image}")


class AnswersAndDies(MemoryBackend):
    def start(self, sandbox_id: UUID, spec: SandboxSpec, progress: Progress) -> Started:
        started = super().start(sandbox_id, spec, progress)
        memory.kill(sandbox_id)
        return started


class AnswersLate(MemoryBackend):
    """As to a worker that was frozen while it asked: at first there is no answer."""

    def start(self, sandbox_id: UUID, spec: SandboxSpec, progress: Progress) -> Started:
        started = super().start(sandbox_id, spec, progress)
        line = TcpProxy("127.0.0.1", int(started.url.rpartition(":")[2]))
        line.mend()
        line.cut()
        Timer(0.2, line.mend).start()
        return replace(started, url=f"http://127.0.0.1:{line.port}")


class Freezes(MemoryBackend):
    """As soon as it is there."""

    def start(self, sandbox_id: UUID, spec: SandboxSpec, progress: Progress) -> Started:
        started = super().start(sandbox_id, spec, progress)
        memory.freeze(sandbox_id)
        return started


class Unending(MemoryBackend):
    def remove(self, sandbox_id: UUID) -> None:
        super().remove(sandbox_id)
        raise TimeoutError("Processes cannot be ended.")


class Uncontained(MemoryBackend):
    @property
    def isolation(self) -> str:
        return "none"

    @property
    def is_contained(self) -> bool:
        return False


class LosesTheLease(MemoryBackend):
    """While it starts, the worker is taken for dead and another takes the lease."""

    def start(self, sandbox_id: UUID, spec: SandboxSpec, progress: Progress) -> Started:
        started = super().start(sandbox_id, spec, progress)
        sandbox = Sandbox.objects.get(pk=sandbox_id)
        Sandbox.objects.filter(pk=sandbox_id).update(lease_fence=sandbox.lease_fence + 1)
        return started


class RemovedMeanwhile(MemoryBackend):
    """While it starts, its removal is asked for."""

    def start(self, sandbox_id: UUID, spec: SandboxSpec, progress: Progress) -> Started:
        started = super().start(sandbox_id, spec, progress)
        Sandbox.objects.filter(pk=sandbox_id).update(wanted=Wanted.REMOVED)
        return started


class Large(MemoryBackend):
    def disk_bytes(self, sandbox_ids: Collection[UUID]) -> dict[UUID, int]:
        return dict.fromkeys(sandbox_ids, 20_000_000_000)


class SlowToCount(MemoryBackend):
    """It is asked again before it has counted."""

    counts: ClassVar[int] = 0

    def disk_bytes(self, sandbox_ids: Collection[UUID]) -> dict[UUID, int]:
        type(self).counts += 1
        size_watch.stop_oversized()
        return super().disk_bytes(sandbox_ids)


def living() -> Iterator[UUID]:
    return (life.sandbox_id for life in MemoryBackend().lives())
