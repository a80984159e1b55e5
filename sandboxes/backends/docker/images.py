"""From which image a sandbox starts: ours, or a user's with our action server put on top once and kept.

An image's tag is a digest of what it is made from. So a new action server asks for a new image, an old one is never
taken for it, and what was made once is there for every installation on the machine.
"""

import fcntl
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from docker import APIClient
from docker.errors import APIError, NotFound
from docker.utils import parse_repository_tag

from sandboxes.backends.base import Progress, SandboxSpec
from sandboxes.backends.docker import building, deriving, engine
from sandboxes.errors import StartFailed
from sandboxes.images import whole_name

REPOSITORY = "openhands-sandbox"
REMEDY = "run `make sandbox-image`"
TELL_SECONDS = 5
_SOURCES = ("deploy/sandbox", "requirements/action_server.txt", "requirements/node.txt")
_CODE = ("sandboxes/__init__.py", "sandboxes/protocol.py", "sandboxes/action_server")


@cache
def own_image() -> str:
    """The default image's name, whether it is there or not."""
    files = _files((*_SOURCES, *_CODE))
    contents = (f"{path.relative_to(settings.BASE_DIR)} {_hash(path)}" for path in files)
    return f"{REPOSITORY}:{_digest(*contents)}"


def derived_image(base_id: str) -> str:
    """The name of a user's image, by its id, with our action server on top."""
    return f"{REPOSITORY}:on-{_digest(own_image(), base_id)}"


def code() -> list[Path]:
    """The files of the action server; they are the whole of our code in an image."""
    return _files(_CODE)


def find(client: APIClient, image: str) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = client.inspect_image(image)
    except NotFound:
        return None
    return found


def describe_absence(client: APIClient) -> str:
    """Why there is no default image, as a sentence with the remedy; an empty text where it is there."""
    if find(client, own_image()):
        return ""
    tags = [tag for image in client.images(REPOSITORY) for tag in image["RepoTags"] or []]
    if others := [tag for tag in tags if not tag.startswith(f"{REPOSITORY}:on-")]:
        return (
            f"The image of sandboxes is out of date ({own_image()} is not there, {others[0]} is): {REMEDY}."
        )
    return f"The image of sandboxes, {own_image()}, is not there: {REMEDY}."


def obtain(spec: SandboxSpec, progress: Progress) -> str:
    """The image that a sandbox starts from for the one that a user named, or for none, which takes the spec's limits
    if it must be made. Raises SandboxError."""
    told = _Told(lambda detail: progress("image", detail))
    with engine.talking(building.SILENCE_SECONDS) as client:
        if absence := describe_absence(client):
            raise StartFailed("image", absence)
        if spec.image:
            return _obtain_derived(client, whole_name(spec.image), spec, told)
    told.say(f"{own_image()} is there")
    return own_image()


def _obtain_derived(client: APIClient, image: str, spec: SandboxSpec, told: "_Told") -> str:
    found = find(client, image) or _pull(client, image, told)
    derived = derived_image(found["Id"])
    if find(client, derived):
        told.say(f"{image} is there")
        return derived
    told.say(f"Building on {image}")
    with _alone(derived):
        if not find(client, derived):
            try:
                deriving.derive(
                    client,
                    ours=own_image(),
                    image=found["Id"],
                    name=derived,
                    spec=spec,
                    say=lambda passed: told.maybe(f"Building on {image}: {passed}"),
                )
            except building.BuildError as error:
                raise StartFailed("image", f"The image {image} cannot be a sandbox. {error}") from error
    return derived


def _pull(client: APIClient, image: str, told: "_Told") -> dict[str, Any]:
    told.say(f"Pulling {image}")
    repository, tag = parse_repository_tag(image)
    try:
        for megabytes in building.pull(client, repository, tag or "latest"):
            told.maybe(f"Pulling {image}: {megabytes}")
        found: dict[str, Any] = client.inspect_image(image)
    except NotFound as error:
        raise StartFailed("image", f"There is no image {image}: {engine.explanation(error)}") from error
    except APIError as error:
        reason = engine.explanation(error)
        raise StartFailed(
            "image", f"The image {image} is not on this machine and could not be pulled: {reason}"
        ) from error
    except building.BuildError as error:
        raise StartFailed("image", f"The image {image} could not be pulled. {error}") from error
    return found


class _Told:
    """What is told of the way to an image: a turn of it at once, how far it is every few seconds."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._last = 0.0

    def say(self, detail: str) -> None:
        self._last = time.monotonic()
        self._say(detail)

    def maybe(self, detail: str) -> None:
        if time.monotonic() - self._last >= TELL_SECONDS:
            self.say(detail)


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """Two workers that need the same image do not both build it."""
    settings.SANDBOX_FOLDER.mkdir(parents=True, exist_ok=True)
    with open(settings.SANDBOX_FOLDER / f"{name.replace(':', '-')}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _files(paths: tuple[str, ...]) -> list[Path]:
    found: list[Path] = []
    for path in (settings.BASE_DIR / name for name in paths):
        found += sorted(path.rglob("*")) if path.is_dir() else [path]
    return [path for path in found if path.is_file() and "__pycache__" not in path.parts]


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]
