"""Sandboxes as process trees on this machine, under bubblewrap where it works.

A sandbox belongs to no worker: it runs in a session of its own, and what is needed to find it stands in a file beside
its folder, so that any process of this installation can poll it, end it or adopt it.
"""

import json
import os
import secrets
import select
import socket
import subprocess
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path
from uuid import UUID

from django.conf import settings

from sandboxes.backends.base import Backend, Handle, Life, Progress, SandboxSpec, Started
from sandboxes.backends.process import bubblewrap, cgroups, interpreter, proc, users
from sandboxes.backends.process import isolation as machine
from sandboxes.backends.process.isolation import Isolation
from sandboxes.backends.process.places import Place
from sandboxes.errors import StartFailed

POLITE_SECONDS = 3
FIRST_WAIT = 0.002
LONGEST_WAIT = 0.02


class ProcessBackend(Backend):
    """`isolation` is what was resolved for this machine, or what a test gives."""

    def __init__(self, isolated_by: Isolation | None = None) -> None:
        self._isolation = isolated_by or machine.current()

    @property
    def isolation(self) -> str:
        return str(self._isolation)

    @property
    def is_contained(self) -> bool:
        return self._isolation.bubblewrap

    @classmethod
    def prepare(cls) -> None:
        machine.resolve()

    def start(self, sandbox_id: UUID, spec: SandboxSpec, progress: Progress) -> Started:
        place = self._place(sandbox_id)
        deadline = time.monotonic() + settings.SANDBOX_START_TIMEOUT
        phase = "create"
        try:
            with place.locked(settings.SANDBOX_START_TIMEOUT):
                progress(phase, "")
                self._end(place, polite_seconds=0)
                uid = self._prepare(place)
                phase = "boot"
                progress(phase, "")
                return self._boot(place, uid, spec, deadline)
        except (OSError, ValueError, LookupError) as error:
            raise StartFailed(phase, f"The sandbox could not be started: {error}.") from error

    def is_here(self, handle: Handle) -> bool:
        return bool(handle.get("host") == socket.gethostname())

    def poll(self, sandbox_id: UUID, handle: Handle) -> str | None:
        if not self.is_here(handle):
            return f"The sandbox ran on {handle.get('host')}, this is {socket.gethostname()}."
        if handle["started"] is not None and proc.start_time(handle["pid"]) == handle["started"]:
            return None
        return "The sandbox's processes have ended."

    def stop(self, sandbox_id: UUID, handle: Handle, *, now: bool = False) -> None:
        place = self._place(sandbox_id)
        with place.locked(settings.SANDBOX_START_TIMEOUT):
            life = place.life()
            if life is None or _is_same(life, handle):
                self._end(place, polite_seconds=0 if now else POLITE_SECONDS)

    def remove(self, sandbox_id: UUID) -> None:
        place = self._place(sandbox_id)
        with place.locked(settings.SANDBOX_START_TIMEOUT):
            self._end(place, polite_seconds=0)
            place.remove()

    def logs(self, sandbox_id: UUID) -> str:
        return self._place(sandbox_id).log_tail()

    def disk_bytes(self, sandbox_ids: Collection[UUID]) -> dict[UUID, int]:
        return {sandbox_id: self._place(sandbox_id).disk_bytes() for sandbox_id in sandbox_ids}

    def lives(self) -> Iterator[Life]:
        for record in sorted(settings.SANDBOX_FOLDER.glob("*-*-*-*-*.json")):
            place = self._place(UUID(record.stem))
            life = place.life()
            if life and self.poll(place.id, life) is None:
                yield Life(place.id, life)

    @staticmethod
    def _place(sandbox_id: UUID) -> Place:
        return Place(settings.SANDBOX_FOLDER, sandbox_id)

    def _prepare(self, place: Place) -> int | None:
        """The files of the sandbox, and the user that owns them, if it is another than ours."""
        place.make()
        place.clear_temporary()
        uid = None
        if self._isolation.own_user:
            uid = _uid(place) or users.allocate(place.root)
            for folder in (place.workspace, place.data, place.temporary):
                users.give(folder, uid)
            if not self._isolation.bubblewrap:
                users.close_home()
        interpreter.write_accounts(place.accounts, uid)
        return uid

    def _boot(self, place: Place, uid: int | None, spec: SandboxSpec, deadline: float) -> Started:
        key = secrets.token_urlsafe(32)
        place.log.unlink(missing_ok=True)
        life: Handle = {"pid": 0, "started": None, "host": socket.gethostname(), "uid": uid}
        try:
            life["groups"] = cgroups.make(str(place.id), spec, self._isolation.limits)
            place.keep_life(life)
            process, life["pid"] = self._spawn(place, uid, life["groups"], key)
            life["started"] = proc.start_time(life["pid"])
            place.keep_life(life)
            announced = _wait_until_announced(place, process, deadline)
            life |= {"port": int(announced["port"]), "boot_id": str(announced["boot_id"])}
            place.keep_life(life)
        except BaseException:
            self._end(place, polite_seconds=0)
            raise
        url = f"http://127.0.0.1:{life['port']}"
        limited = cgroups.applied(spec, self._isolation.limits)
        isolation = f"{self.isolation}; limited: {', '.join(limited)}" if limited else self.isolation
        return Started(url, key, life["boot_id"], life, isolation)

    def _spawn(
        self, place: Place, uid: int | None, groups: list[str], key: str
    ) -> tuple["subprocess.Popen[bytes]", int]:
        """The process that we started, and the pid of the one that the sandbox lives and dies with."""
        reader, writer = os.pipe()
        command, environment = self._command(place, uid, writer)
        command, to_enter = cgroups.entering(groups, command)
        log = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=environment | to_enter,
                cwd=place.workspace,
                start_new_session=True,
                pass_fds=[writer] if self._isolation.bubblewrap else [],
                umask=0o022,
            )
        finally:
            os.close(log)
            os.close(writer)
        # Reaps it when it ends, as long as we are there.
        threading.Thread(target=process.wait, name="sandbox", daemon=True).start()
        with open(reader, "rb") as information:
            _hand_over(process, key)
            pid = _first_pid(information.fileno()) if self._isolation.bubblewrap else process.pid
        return process, pid or process.pid

    def _command(self, place: Place, uid: int | None, info_fd: int) -> tuple[list[str], dict[str, str]]:
        if not self._isolation.bubblewrap:
            arguments = ["--announce", str(place.announcement)]
            command = interpreter.without_bubblewrap(
                workspace=place.workspace, data=place.data, uid=uid, arguments=arguments
            )
            return command, interpreter.environment(place.id, place.workspace, place.temporary)
        command = interpreter.under_bubblewrap(
            workspace=place.workspace,
            data=place.data,
            temporary=place.temporary,
            accounts=place.accounts,
            uid=uid,
            arguments=["--announce", f"{bubblewrap.DATA}/{place.announcement.name}"],
            info_fd=info_fd,
        )
        return command, interpreter.environment(place.id, Path(bubblewrap.WORKSPACE))

    def _end(self, place: Place, *, polite_seconds: float) -> None:
        """Ends the life on record, and whatever else runs for this sandbox."""
        life = place.life()
        if life and self.poll(place.id, life) is None:
            proc.end_life(life["pid"], life["started"], polite_seconds=polite_seconds)
        proc.end_strays(place.id, _uid(place))
        cgroups.remove(life.get("groups", []) if life else [])
        place.keep_life(None)


def _is_same(life: Handle, handle: Handle) -> bool:
    return all(life.get(name) == handle.get(name) for name in ("pid", "started", "host"))


def _uid(place: Place) -> int | None:
    """The user of its own that the sandbox's files belong to, if they do."""
    try:
        uid = place.workspace.lstat().st_uid
    except OSError:
        return None
    return uid if os.geteuid() == 0 and users.is_own(uid) else None


def _hand_over(process: "subprocess.Popen[bytes]", key: str) -> None:
    """The key goes through a pipe: it stands in no file, no argument and no environment."""
    assert process.stdin is not None
    try:
        with process.stdin as pipe:
            pipe.write(key.encode() + b"\n")
    except BrokenPipeError:
        pass  # It has ended already, which the wait for its announcement finds out.


def _first_pid(descriptor: int) -> int | None:
    """The pid that bubblewrap tells of the first process of the sandbox's namespace."""
    told = b""
    while not told.endswith(b"}\n"):
        ready, _, _ = select.select([descriptor], [], [], settings.SANDBOX_START_TIMEOUT)
        piece = os.read(descriptor, 4096) if ready else b""
        if not piece:
            return None
        told += piece
    return int(json.loads(told)["child-pid"])


def _wait_until_announced(place: Place, process: "subprocess.Popen[bytes]", deadline: float) -> Handle:
    wait = FIRST_WAIT
    while (announced := place.announced()) is None:
        if time.monotonic() > deadline:
            seconds = settings.SANDBOX_START_TIMEOUT
            raise StartFailed("boot", _told(f"The action server was not ready within {seconds} s.", place))
        if process.poll() is not None:
            raise StartFailed("boot", _told(f"The action server ended with {process.returncode}.", place))
        time.sleep(wait)
        wait = min(wait * 1.3, LONGEST_WAIT)
    return announced


def _told(sentence: str, place: Place) -> str:
    log = place.log_tail()[-2000:]
    return f"{sentence} Its log ends with:\n{log}" if log else f"{sentence} Its log is empty."
