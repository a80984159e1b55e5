"""The contract of a backend: the one small thing that knows how to run a sandbox.

A backend keeps no state of its own between calls: what it needs to find a life again is the `handle` that `start`
returned, kept on the Runtime row. So any worker, also one of a later start of the server, may call any method.
Every method may be called from any thread and blocks; none is called inside a transaction.

A backend passes tests/contract/test_backends.py.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

Handle = dict[str, Any]
# Called with the phase and a detail, as each phase of a start begins and in a long one every few seconds again. It may
# raise: the start is then undone and the error passed on.
Progress = Callable[[str, str], None]

# Called with the ids of sandboxes; returns those that there are.
Known = Callable[[Collection[UUID]], set[UUID]]


@dataclass(frozen=True)
class SandboxSpec:
    """What a sandbox may use; 0 means no limit. What a backend can enforce stands in `Started.isolation`.

    `image` names what is in it, for backends that take images; empty is the backend's own.
    """

    memory_mb: int = 0
    cpus: float = 0
    processes: int = 0
    disk_mb: int = 0
    image: str = ""


@dataclass(frozen=True)
class Started:
    """One life of a sandbox whose action server listens.

    `url` takes requests with the bearer `key`; `boot_id` is as the action server announced it; `handle` is JSON, the
    backend's own note of where to find this life; `isolation` says in a few words what keeps it in.
    """

    url: str
    key: str = field(repr=False)
    boot_id: str
    handle: Handle
    isolation: str


@dataclass(frozen=True)
class Life:
    """A life that the backend finds running, and whose it is."""

    sandbox_id: UUID
    handle: Handle


class Backend(ABC):
    """`takes_images` says that a spec may name one. `is_contained` says that what runs inside cannot reach the
    server's files, as far as the backend knows before a start; `isolation` says it in words.

    Every method may raise BackendSilent, where what the backend stands on does not answer.
    """

    takes_images: ClassVar[bool] = False

    @property
    @abstractmethod
    def isolation(self) -> str: ...

    @property
    @abstractmethod
    def is_contained(self) -> bool: ...

    @classmethod
    @abstractmethod
    def prepare(cls) -> None:
        """Sets up what all starts share, and finds out what there is to find out. Called at `up`, before any start;
        a start without it does the same first."""

    @abstractmethod
    def start(self, sandbox_id: UUID, spec: SandboxSpec, progress: Progress) -> Started:
        """Starts a new life on the sandbox's files, which are made where there are none.

        Whatever else still runs for this sandbox is ended first, so at most one life exists. Calls `progress` with
        "create" and "boot", and before with "image" where there is one to be had, which may take minutes. Returns once
        the action server listens, within settings.SANDBOX_START_TIMEOUT seconds from "create" on.
        Raises StartFailed with the phase and the end of the server's log, and then nothing is left running.
        """

    @abstractmethod
    def poll(self, sandbox_id: UUID, handle: Handle) -> str | None:
        """None while this life goes on, else a sentence on how it ended. Quick; asks no action server."""

    @abstractmethod
    def stop(self, sandbox_id: UUID, handle: Handle, *, now: bool = False) -> None:
        """Ends this life with every process in it and keeps the files. Another life of the sandbox is not touched.

        First it asks, for up to 3 s, then it kills; with `now` it kills at once. Nothing happens where it has ended.
        """

    @abstractmethod
    def remove(self, sandbox_id: UUID) -> None:
        """Ends every life of the sandbox and removes its files and all that is kept of it. Repeatable."""

    @abstractmethod
    def logs(self, sandbox_id: UUID) -> str:
        """The end of the action server's own log, at most 8 kB; empty where there is none."""

    @abstractmethod
    def disk_bytes(self, sandbox_ids: Collection[UUID]) -> dict[UUID, int]:
        """How much the files of each sandbox take, in bytes; 0 where there are none. May take a minute."""

    def remove_leftovers(self, known: Known, since: datetime) -> list[str]:
        """Removes what somebody left who died or was frozen amid a start: what only helps starts, and all that there is
        of sandboxes that are not known. What may be in use is left alone, and what is older than `since`. Repeatable;
        returns what was removed, in words."""
        return []

    def is_here(self, handle: Handle) -> bool:
        """Whether this life, if it goes on, is one that this process could poll and stop."""
        return True

    @abstractmethod
    def lives(self) -> Iterator[Life]:
        """Every life of this installation that goes on and that this process could stop."""
