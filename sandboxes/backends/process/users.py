"""A user id of its own for every process sandbox, where we are root.

Ids are handed out upwards and not soon again, so a file that a removed sandbox left in /tmp is not its successor's.
Each installation takes a block of its own.
"""

import fcntl
import os
import shutil
import stat
import subprocess
from functools import cache
from hashlib import blake2b
from pathlib import Path

from django.conf import settings

# Above what systemd and subordinate ids use, below 2**31.
_LOWEST = 1_879_048_192
_BLOCKS = 4096
_BLOCK = 65_536
# Where a user namespace maps only ids that fit in 16 bits, as rootless engines do.
_SMALL_LOWEST = 20_000
_SMALL_BLOCK = 40_000


@cache
def first_uid() -> int:
    """The first of this installation's block."""
    if _is_mapped(_LOWEST + _BLOCKS * _BLOCK - 1):
        number = int.from_bytes(blake2b(settings.INSTALLATION_ID.encode(), digest_size=4).digest(), "big")
        return _LOWEST + number % _BLOCKS * _BLOCK
    return _SMALL_LOWEST


def can_change_user() -> bool:
    """Whether we are root and may become another user: in a container we may not be allowed to."""
    program = shutil.which("true")
    if os.geteuid() != 0 or program is None or not _is_mapped(first_uid()):
        return False
    try:
        uid = first_uid()
        return subprocess.run([program], user=uid, group=uid, extra_groups=[], check=False).returncode == 0
    except OSError:
        return False


def allocate(folder: Path) -> int:
    """The next free id, by the counter in `folder`; two processes never get the same."""
    with open(folder / "last_uid", "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        first = first_uid()
        size = _SMALL_BLOCK if first == _SMALL_LOWEST else _BLOCK
        last = int(file.read() or first)
        taken = {path.stat().st_uid for path in folder.glob("*/workspace")}
        candidates = (first + (last - first + step) % size for step in range(1, size))
        uid = next(uid for uid in candidates if uid not in taken)
        file.truncate(0)
        file.write(str(uid))
    return uid


def is_own(uid: int) -> bool:
    """Whether the id is one of those handed out here."""
    return first_uid() <= uid < first_uid() + _BLOCK


def give(folder: Path, uid: int) -> None:
    """Makes the user the owner of everything in the folder, without following links."""
    if folder.lstat().st_uid == uid:
        return
    for path, _folders, _files, descriptor in os.fwalk(folder, follow_symlinks=False):
        for entry in os.listdir(path):
            os.chown(entry, uid, uid, dir_fd=descriptor, follow_symlinks=False)
    os.chown(folder, uid, uid, follow_symlinks=False)


def close_home() -> None:
    """Takes our own files from everyone else, for a sandbox under another user that bubblewrap does not keep in."""
    home: Path = settings.OPENHANDS_HOME
    database = Path(str(settings.DATABASES["default"]["NAME"]))
    beside = [database.with_name(database.name + end) for end in ("", "-wal", "-shm")]
    for path in [*home.iterdir(), *(path for path in beside if path.is_absolute())]:
        if path != settings.SANDBOX_FOLDER and path.exists() and not path.is_symlink():
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o077)
    home.chmod(0o711)


def _is_mapped(uid: int) -> bool:
    try:
        lines = Path("/proc/self/uid_map").read_text().splitlines()
    except OSError:
        return False
    ranges = [[int(number) for number in line.split()] for line in lines]
    return any(inside <= uid < inside + count for inside, _outside, count in ranges)
