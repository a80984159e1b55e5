"""The private Redis that `manage.py up` runs where no REDIS_URL is set."""

import os
import tempfile
from pathlib import Path

SOCKET_PATH_LIMIT = 107  # characters, in Linux' sockaddr_un


def private_socket(home: Path, installation_id: str) -> Path:
    """The socket's path: in the data folder, or where that is too long in a folder of our own under /tmp."""
    path = home / "redis" / "redis.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
        return path
    return Path(tempfile.gettempdir()) / f"openhands-{os.getuid()}-{installation_id}" / "redis.sock"
