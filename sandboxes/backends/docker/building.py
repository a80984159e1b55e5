"""Making images by the engine: what it streams while it pulls or builds, and the context of our own image."""

import platform
import subprocess
import sys
import tarfile
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from docker import APIClient

SILENCE_SECONDS = 900  # apt and pip may say nothing for minutes
SAID = "openhands: "  # begins what deploy/sandbox/install says to a person
TAIL = 15  # lines of what is printed that are told of a failure
_PLATFORMS = ("manylinux_2_28", "manylinux_2_17", "manylinux2014")


class BuildError(Exception):
    """Its text is a sentence, or the end of what the engine said."""


def build(
    client: APIClient,
    context: Path,
    tag: str,
    arguments: Mapping[str, str],
    say: Callable[[str], None],
) -> None:
    """Builds the folder's Dockerfile; each line that it prints is said. Raises BuildError."""
    tail: deque[str] = deque(maxlen=TAIL)
    with _packed(context) as file:
        for piece in client.build(
            fileobj=file,
            custom_context=True,
            tag=tag,
            buildargs=dict(arguments),
            labels={"openhands.image": tag},
            rm=True,
            forcerm=True,
            decode=True,
        ):
            if "error" in piece:
                raise BuildError(reason(tail, str(piece["error"])))
            for line in str(piece.get("stream", "")).splitlines():
                if line.strip():
                    tail.append(line.strip())
                    say(line.strip())


def pull(client: APIClient, repository: str, tag: str) -> Iterator[str]:
    """Pulls the image and yields how far it is, in words, often. Raises BuildError, or Docker's APIError."""
    layers: dict[str, tuple[int, int]] = {}
    for piece in client.pull(repository, tag=tag, stream=True, decode=True):
        if "error" in piece:
            raise BuildError(str(piece["error"]))
        detail = piece.get("progressDetail") or {}
        if piece.get("status") == "Downloading" and "total" in detail:
            layers[piece["id"]] = (detail["current"], detail["total"])
        done, total = (
            (sum(sizes) // 1_000_000 for sizes in zip(*layers.values(), strict=True)) if layers else (0, 0)
        )
        yield f"{done} of {total} MB" if total else str(piece.get("status", ""))


def libraries(lock: Path, folder: Path) -> None:
    """Puts what the lock file names into the folder, for the image's Python and this machine's kind of processor.

    Where another Python runs it, the libraries do without their compiled parts. Raises BuildError.
    """
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += [
        "--require-hashes",
        "--no-deps",
        "--only-binary=:all:",
        "--no-compile",
        "--root-user-action=ignore",
    ]
    command += ["--implementation=cp", "--python-version=3.11", f"--target={folder}", f"--requirement={lock}"]
    command += [f"--platform={name}_{machine}" for name in _PLATFORMS]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"pip could not fetch {lock.name}: {done.stderr.strip()[-2000:]}")


@contextmanager
def _packed(context: Path) -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as file:
        with tarfile.open(fileobj=file, mode="w") as archive:
            archive.add(context, arcname=".", filter=as_root)
        file.seek(0)
        yield file


def as_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """Our umask and user do not show in the image, and the same content is the same layer."""
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
    entry.mtime = 0
    return entry


def reason(tail: Iterable[str], error: str) -> str:
    """What was said to a person, else the end of all that was said."""
    said = [line.removeprefix(SAID) for line in tail if line.startswith(SAID)]
    return said[-1] if said else "\n".join([*tail, error])[-2000:]
