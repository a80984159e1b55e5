"""Where a process sandbox is on disk: its folder, and beside it what we keep of it.

<id>/workspace  <id>/data  <id>/tmp     the sandbox's own; its user can change nothing above them
<id>/etc                                passwd and group, shown under bubblewrap
<id>.json       the life: pid, start time, port, boot id, host
<id>.log        the action server's own log
<id>.lock       held while a life is started or ended
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

from sandboxes.backends.trees import remove_tree

LOCK_POLL_SECONDS = 0.05
LOG_TAIL = 8_000
ANNOUNCE_LIMIT = 4_096


class Place:
    def __init__(self, root: Path, sandbox_id: UUID) -> None:
        self.id = sandbox_id
        self.root = root
        self.folder = root / str(sandbox_id)
        self.workspace = self.folder / "workspace"
        self.data = self.folder / "data"
        self.temporary = self.folder / "tmp"
        self.accounts = self.folder / "etc"
        self.record = root / f"{sandbox_id}.json"
        self.log = root / f"{sandbox_id}.log"
        self.lock = root / f"{sandbox_id}.lock"
        self.announcement = self.data / "announce.json"

    def make(self) -> None:
        """Makes what is missing. The folder is ours, so that its user can put no link in a subfolder's place."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o711)
        for path in (self.folder, self.workspace, self.data, self.temporary, self.accounts):
            path.mkdir(exist_ok=True)
        for path in (self.workspace, self.data, self.temporary):
            path.chmod(0o700)
        for path in (self.folder, self.accounts):
            path.chmod(0o711)

    def clear_temporary(self) -> None:
        """And the last life's announcement, in whose place the sandbox may have put anything."""
        for entry in (self.announcement, *self.temporary.iterdir()):
            remove_tree(entry)

    @contextmanager
    def locked(self, seconds: float) -> Iterator[None]:
        """Alone at this place on this machine; a holder that dies gives it back. Raises TimeoutError."""
        self.root.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + seconds
        with open(self.lock, "a") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise TimeoutError("Another worker is starting or ending this sandbox.") from None
                    time.sleep(LOCK_POLL_SECONDS)
            yield

    def life(self) -> dict[str, Any] | None:
        """The life on record, or None."""
        try:
            life: dict[str, Any] = json.loads(self.record.read_text())
        except (OSError, ValueError):
            return None
        return life

    def keep_life(self, life: dict[str, Any] | None) -> None:
        if life is None:
            self.record.unlink(missing_ok=True)
            return
        draft = self.record.with_suffix(f".{os.getpid()}")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(life))
        draft.replace(self.record)

    def announced(self) -> dict[str, Any] | None:
        """What the action server announced, once it did. The file is the sandbox's: links are not followed."""
        try:
            descriptor = os.open(self.announcement, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        with open(descriptor, "rb") as file:
            announced: dict[str, Any] = json.loads(file.read(ANNOUNCE_LIMIT))
        return announced

    def log_tail(self) -> str:
        try:
            with open(self.log, "rb") as file:
                file.seek(max(0, self.log.stat().st_size - LOG_TAIL))
                return file.read().decode(errors="replace").strip()
        except OSError:
            return ""

    def disk_bytes(self) -> int:
        """What the folder takes on disk; files that vanish meanwhile do not count."""
        total = 0
        waiting = [self.folder]
        while waiting:
            with suppress(OSError), os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    with suppress(OSError):
                        total += entry.stat(follow_symlinks=False).st_blocks * 512
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(Path(entry.path))
        return total

    def remove(self) -> None:
        remove_tree(self.folder)
        for path in (self.record, self.log, self.lock):
            path.unlink(missing_ok=True)
