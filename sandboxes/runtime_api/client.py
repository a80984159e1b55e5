"""The only caller of the backends' contract. Docker's parts are called besides by `choice`, which asks whether an
engine is there, and by the commands that build its image and remove what it made.

Services and provisioning go through these functions, which run in their own process. Each Runtime names the backend
that it runs on, so a server whose settings changed still finds what runs.
"""

from collections.abc import Collection, Iterator
from datetime import datetime
from typing import cast
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string

from sandboxes import choice
from sandboxes.backends.base import Backend, Handle, Known, Life, Progress, SandboxSpec, Started


def backend_name() -> str:
    """The backend of new sandboxes; what has files already stays where they are."""
    return choice.chosen().backend


def prepare() -> None:
    """Sets up what all starts share; to be called at `up`. See `Backend.prepare`."""
    _class(backend_name()).prepare()


def takes_images(*, backend: str) -> bool:
    """Whether its sandboxes may start from an image that a user names."""
    return _class(backend).takes_images


def isolation(*, backend: str) -> str:
    """What keeps its sandboxes in, in a few words."""
    return _backend(backend).isolation


def is_contained(*, backend: str) -> bool:
    """Whether its sandboxes cannot reach the server's files."""
    return _backend(backend).is_contained


def start(*, backend: str, sandbox_id: UUID, spec: SandboxSpec, progress: Progress) -> Started:
    """See `Backend.start`."""
    return _backend(backend).start(sandbox_id, spec, progress)


def poll(*, backend: str, sandbox_id: UUID, handle: Handle) -> str | None:
    """None while that life goes on, else a sentence on how it ended."""
    return _backend(backend).poll(sandbox_id, handle)


def is_here(*, backend: str, handle: Handle) -> bool:
    """Whether that life, if it goes on, is one that this process can poll and end."""
    return _backend(backend).is_here(handle)


def stop(*, backend: str, sandbox_id: UUID, handle: Handle, now: bool = False) -> None:
    """Ends that life; the files stay."""
    _backend(backend).stop(sandbox_id, handle, now=now)


def remove(*, backend: str, sandbox_id: UUID) -> None:
    """Ends every life of the sandbox and removes its files."""
    _backend(backend).remove(sandbox_id)


def logs(*, backend: str, sandbox_id: UUID) -> str:
    return _backend(backend).logs(sandbox_id)


def disk_bytes(*, backend: str, sandbox_ids: Collection[UUID]) -> dict[UUID, int]:
    """How much the files of each of the sandboxes take, in bytes."""
    return _backend(backend).disk_bytes(sandbox_ids)


def remove_leftovers(*, backend: str, known: Known, since: datetime) -> list[str]:
    """See `Backend.remove_leftovers`."""
    return _backend(backend).remove_leftovers(known, since)


def lives(*, backend: str) -> Iterator[Life]:
    """Every life on the backend that goes on and that this process could end."""
    return _backend(backend).lives()


def _backend(name: str) -> Backend:
    return _class(name)()


def _class(name: str) -> type[Backend]:
    return cast(type[Backend], import_string(settings.SANDBOX_BACKENDS[name]))
