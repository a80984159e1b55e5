"""The bubblewrap command of a process sandbox: a pure function of what is on the machine.

Inside there is /usr, an /etc without secrets, the interpreter, its libraries, our action server and the sandbox's
own folder. The network is the machine's. Everything else, above all OPENHANDS_HOME, has no name there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PACKAGE = "/opt/openhands/server"
LIBRARIES = "/opt/openhands/libraries"
WORKSPACE = "/workspace"
DATA = "/opt/openhands/data"
_CAPABILITIES_TO_CHANGE_USER = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")
_ROOTS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
# Never passwd, shadow or ssl/private: users are made up, certificates are public.
_ETC = (
    *(
        "alternatives",
        "ca-certificates",
        "ca-certificates.conf",
        "crypto-policies",
        "debian_version",
        "fonts",
    ),
    *(
        "hosts",
        "inputrc",
        "ld.so.cache",
        "ld.so.conf",
        "ld.so.conf.d",
        "localtime",
        "mime.types",
        "nsswitch.conf",
    ),
    *("os-release", "pki/ca-trust", "pki/tls/certs", "profile", "protocols", "resolv.conf", "services"),
    *("ssl/certs", "ssl/openssl.cnf", "terminfo", "timezone"),
)


@dataclass(frozen=True)
class Inside:
    """What is shown: each a path on the machine.

    `code` is the folder that holds the package `sandboxes`; `prefix` the interpreter's installation; `libraries` its
    site-packages; `hidden` the folders that must not be seen even where one of the others contains them.
    """

    workspace: Path
    data: Path
    temporary: Path
    accounts: Path
    code: Path
    prefix: Path
    libraries: Path
    hidden: Sequence[Path]


def command(inside: Inside, program: Sequence[str], *, uid: int | None, info_fd: int | None) -> list[str]:
    """The command line that runs `program` inside. With a `uid` it is started by root and changes to that user, with
    no capability left; without one it keeps the caller's user. `info_fd` is told the first process's pid as JSON."""
    # Our program is the first of its pid namespace: nothing inside can kill it, and when it ends all ends with it.
    arguments = ["bwrap", "--unshare-pid", "--as-pid-1", "--unshare-ipc", "--unshare-uts"]
    arguments += ["--unshare-cgroup-try"]
    arguments += ["--hostname", "sandbox", *(["--info-fd", str(info_fd)] if info_fd is not None else [])]
    for part in (_system(inside), _etc(inside), _runtime(inside), _own(inside)):
        arguments += part
    arguments += ["--remount-ro", "/", "--chdir", "/", "--cap-drop", "ALL"]
    if uid is None:
        return [*arguments, "--", *program]
    for capability in _CAPABILITIES_TO_CHANGE_USER:
        arguments += ["--cap-add", capability]
    return [*arguments, "--", *_change_user(uid), *program]


def _change_user(uid: int) -> list[str]:
    user = ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--no-new-privs"]
    return [*user, "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", "--"]


def _system(inside: Inside) -> Iterator[str]:
    # First, so that an interpreter below the machine's /tmp is not covered.
    yield from ("--bind", str(inside.temporary), "/tmp")  # noqa: S108 - the sandbox's own
    yield from ("--ro-bind", "/usr", "/usr", "--proc", "/proc", "--dev", "/dev")
    yield from ("--perms", "1777", "--tmpfs", "/dev/shm")  # noqa: S108 - the sandbox's own
    for name in _ROOTS:
        path = Path("/", name)
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.is_dir():
            yield from ("--ro-bind", str(path), str(path))


def _etc(inside: Inside) -> Iterator[str]:
    yield from _folder(Path("/etc"))
    for name in _ETC:
        path = Path("/etc", name)
        if path.exists():
            yield from _parents(path, below=Path("/etc"))
            yield from ("--ro-bind", str(path), str(path))
    for name in ("passwd", "group"):
        yield from ("--ro-bind", str(inside.accounts / name), f"/etc/{name}")


def _runtime(inside: Inside) -> Iterator[str]:
    for path in inside.hidden:
        if path.is_relative_to("/usr"):
            yield from ("--tmpfs", str(path))
    if not inside.prefix.is_relative_to("/usr"):
        yield from _parents(inside.prefix)
        yield from ("--ro-bind", str(inside.prefix), str(inside.prefix))
        for path in inside.hidden:
            if path.is_relative_to(inside.prefix):
                yield from ("--tmpfs", str(path))
    yield from _parents(Path(DATA))
    yield from ("--ro-bind", str(inside.libraries), LIBRARIES)
    yield from _parents(Path(PACKAGE, "sandboxes", "action_server"))
    for name in ("__init__.py", "protocol.py", "action_server"):
        yield from ("--ro-bind", str(inside.code / "sandboxes" / name), f"{PACKAGE}/sandboxes/{name}")


def _own(inside: Inside) -> Iterator[str]:
    yield from ("--bind", str(inside.data), DATA)
    yield from ("--bind", str(inside.workspace), WORKSPACE)


def _parents(path: Path, below: Path = Path("/")) -> Iterator[str]:
    """The folders above `path`, open to all: bubblewrap would make them for root alone."""
    for parent in reversed(path.parents):
        if parent != below and parent.is_relative_to(below):
            yield from _folder(parent)


def _folder(path: Path) -> tuple[str, ...]:
    return ("--perms", "0755", "--dir", str(path))
