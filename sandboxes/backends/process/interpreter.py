"""What an action server needs to run: the interpreter, its libraries, its code, its environment, its command line."""

import compileall
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from django.conf import settings

from sandboxes.backends.process import bubblewrap

INTERPRETER = Path(sys.executable).resolve()
PREFIX = Path(sys.base_prefix).resolve()
# In every process of a sandbox, so that those of a server that died can be found.
MARK = "SANDBOX_ID"
# The interpreter's own folder comes last: a machine without a python in /usr still has one.
PATH = ":".join(
    ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", str(PREFIX / "bin"))
)
_RUN = (
    "import runpy, sys; sys.path[:0] = sys.argv[1:3]; del sys.argv[1:3]; "
    "runpy.run_module('sandboxes.action_server', run_name='__main__', alter_sys=True)"
)


def environment(sandbox_id: UUID, home: Path, temporary: Path | None = None) -> dict[str, str]:
    """All that is in a sandbox's environment; nothing is taken over from ours."""
    variables = {
        MARK: str(sandbox_id),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "LOGNAME": "sandbox",
        "PATH": PATH,
        "SHELL": "/bin/bash",
        "USER": "sandbox",
    }
    return {**variables, "TMPDIR": str(temporary)} if temporary else variables


def under_bubblewrap(
    *,
    workspace: Path,
    data: Path,
    temporary: Path,
    accounts: Path,
    uid: int | None,
    arguments: Sequence[str],
    info_fd: int | None = None,
) -> list[str]:
    """The command line of an action server inside bubblewrap, where its folders have other names."""
    inside = bubblewrap.Inside(
        workspace=workspace,
        data=data,
        temporary=temporary,
        accounts=accounts,
        code=settings.BASE_DIR,
        prefix=PREFIX,
        libraries=libraries(),
        hidden=[settings.OPENHANDS_HOME],
    )
    program = [str(INTERPRETER), "-IS", "-c", _RUN, bubblewrap.PACKAGE, bubblewrap.LIBRARIES]
    program += ["--workspace", bubblewrap.WORKSPACE, "--data", bubblewrap.DATA, "--key-file", "-", *arguments]
    command = bubblewrap.command(inside, program, uid=uid, info_fd=info_fd)
    return [shutil.which(command[0]) or command[0], *command[1:]]


def without_bubblewrap(
    *, workspace: Path, data: Path, uid: int | None, arguments: Sequence[str]
) -> list[str]:
    """The command line of an action server that sees the machine, as the user `uid` if given."""
    launcher = str(Path(__file__).resolve().with_name("launcher.py"))
    user = "-" if uid is None else str(uid)
    program = [str(INTERPRETER), "-IS", launcher, str(settings.BASE_DIR), str(libraries()), user]
    return [*program, "--workspace", str(workspace), "--data", str(data), "--key-file", "-", *arguments]


def write_accounts(folder: Path, uid: int | None) -> None:
    """The /etc/passwd and /etc/group of a sandbox: root, nobody and the one user."""
    user = os.geteuid() if uid is None else uid
    group = os.getegid() if uid is None else uid
    users = ["root:x:0:0:root:/root:/bin/sh", "nobody:x:65534:65534:nobody:/nonexistent:/bin/false"]
    groups = ["root:x:0:", "tty:x:5:", "nogroup:x:65534:"]
    if user:
        users.append(f"sandbox:x:{user}:{group}::{bubblewrap.WORKSPACE}:/bin/bash")
        groups.append(f"sandbox:x:{group}:")
    for name, lines in (("passwd", users), ("group", groups)):
        (folder / name).write_text("\n".join(lines) + "\n")
        (folder / name).chmod(0o644)


def libraries() -> Path:
    """The folder that aiohttp and what it needs were installed into."""
    import aiohttp

    return Path(aiohttp.__file__).resolve().parents[1]


def compile_ahead() -> None:
    """Makes the bytecode that a sandbox, which sees all this read-only, could not keep: 0.3 s of each start."""
    for folder in (settings.BASE_DIR / "sandboxes" / "action_server", libraries() / "aiohttp"):
        compileall.compile_dir(folder, quiet=2)
