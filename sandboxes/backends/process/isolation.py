"""Which isolation process sandboxes get on this machine: found out once, at `up`, by trying it.

The answer stands in a file of SANDBOX_FOLDER, so that every process of an installation says and does the same.
"""

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import uuid4

import structlog
from django.conf import settings

from sandboxes.backends.process import cgroups, interpreter, users

PROBE_SECONDS = 30
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Isolation:
    """`bubblewrap`: it sees nothing of ours. `own_user`: it runs as a user of its own. `limits`: what of memory, cpu
    and processes can be limited. `reason`: why there is no bubblewrap."""

    bubblewrap: bool
    own_user: bool
    limits: tuple[str, ...] = ()
    reason: str = ""

    def __str__(self) -> str:
        if self.bubblewrap:
            return "bubblewrap, own user" if self.own_user else "bubblewrap"
        return "own user, no bubblewrap" if self.own_user else "none"


def current() -> Isolation:
    """What was resolved last for the user that we run as; resolved now where nothing was."""
    try:
        stored = json.loads(_file().read_text())
        if stored.pop("euid") == os.geteuid():
            return Isolation(**{**stored, "limits": tuple(stored["limits"])})
    except (OSError, ValueError, TypeError, KeyError):
        pass
    return resolve()


def resolve() -> Isolation:
    """Tries each isolation on the real program, and stores the best that works."""
    interpreter.compile_ahead()
    own_user = users.can_change_user()
    reason = _try_bubblewrap(own_user)
    resolved = Isolation(not reason, own_user, cgroups.available(), reason)
    settings.SANDBOX_FOLDER.mkdir(parents=True, exist_ok=True)
    draft = _file().with_suffix(f".{uuid4().hex}")  # several threads may find at once that there is none
    draft.write_text(json.dumps({**asdict(resolved), "euid": os.geteuid()}))
    draft.replace(_file())
    log.info(
        "the isolation of process sandboxes is resolved",
        isolation=str(resolved),
        limits=resolved.limits,
        reason=reason or None,
    )
    return resolved


def _file() -> Path:
    folder: Path = settings.SANDBOX_FOLDER
    return folder / "isolation.json"


def _try_bubblewrap(own_user: bool) -> str:
    """An empty text where the action server starts under it, else why it does not."""
    if shutil.which("bwrap") is None:
        return "bubblewrap is not installed: install it (`apt-get install bubblewrap`)."
    with tempfile.TemporaryDirectory(prefix="openhands-probe-") as name:
        folder = Path(name)
        uid = users.first_uid() if own_user else None
        interpreter.write_accounts(folder, uid)
        command = interpreter.under_bubblewrap(
            workspace=folder, data=folder, temporary=folder, accounts=folder, uid=uid, arguments=["--help"]
        )
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=PROBE_SECONDS,
                env={"PATH": interpreter.PATH},
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"bubblewrap did not start a program within {PROBE_SECONDS} s."
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["it said nothing"]
        return f"bubblewrap does not work here: {said[-1]}"
    return ""
