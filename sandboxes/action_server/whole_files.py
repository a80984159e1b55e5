"""Reading and writing whole files safely: only regular ones, only in allowed places, always in one piece."""

from __future__ import annotations

import os
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

from .errors import ToolError
from .folders import printable

MOST_BYTES = 10 * 1024 * 1024
_UMASK = os.umask(0)
os.umask(_UMASK)


class Places:
    """Where files may be: the workspace and the temporary folder; outputs of commands only to look at."""

    def __init__(self, workspace: Path, readable: Path) -> None:
        self._workspace = str(workspace)
        self._writable = [os.path.realpath(workspace), os.path.realpath("/tmp")]  # noqa: S108
        self._readable = os.path.realpath(readable)

    def resolve(self, path: str, to_write: bool) -> str:
        """The real path of `path`, which may be relative to the workspace. Raises ToolError when outside."""
        if not path or "\0" in path:
            raise ToolError("The argument path must be the path of a file or folder.")
        real = os.path.realpath(os.path.join(self._workspace, path))
        is_output = _is_within(real, self._readable)
        if not (is_output and to_write) and (is_output or any(_is_within(real, at) for at in self._writable)):
            return real
        where = f"{printable(path)} leads to {printable(real)}, which" if real != path else printable(path)
        raise ToolError(
            f"{where} is outside the workspace {self._workspace}. Only files there and in /tmp can be "
            f"{'edited' if to_write else 'viewed'} with this tool; use the terminal for others."
        )


def _is_within(path: str, place: str) -> bool:
    return path == place or path.startswith(place.rstrip("/") + "/")


def read_file(path: str) -> bytes:
    """The bytes of a regular file of at most `MOST_BYTES`. Raises ToolError, or OSError."""
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise ToolError(f"{printable(path)} is a folder; this command needs a file.")
    if not stat.S_ISREG(status.st_mode):
        raise ToolError(f"{printable(path)} is not a regular file.")
    if status.st_size > MOST_BYTES:
        raise ToolError(
            f"{printable(path)} has {status.st_size:,} bytes; this tool takes up to {MOST_BYTES:,}. "
            "Use the terminal, for instance `sed -n '1,100p'`."
        )
    with open(path, "rb") as file:
        return file.read(MOST_BYTES + 1)


def write_file(path: str, data: bytes) -> None:
    """Write `path` in one piece, with the mode and owner it has; makes its folders. Raises OSError."""
    if len(data) > MOST_BYTES:
        raise ToolError(f"This would be {len(data):,} bytes; this tool takes up to {MOST_BYTES:,}.")
    folder, name = os.path.split(path)
    try:
        os.makedirs(folder, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise ToolError(f"{printable(path)} cannot be: something on the way to it is a file.") from error
    descriptor, unfinished = tempfile.mkstemp(prefix=f".{name[:50]}.", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            _take_over_ownership(path, file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise


def _take_over_ownership(path: str, descriptor: int) -> None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        os.fchmod(descriptor, 0o666 & ~_UMASK)
        return
    if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
        with suppress(PermissionError):  # Only root may give files away; the content is what counts.
            os.fchown(descriptor, status.st_uid, status.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
