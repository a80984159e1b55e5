"""Room on the disk of the data folder."""

import errno
import os
import shutil

from django.conf import settings

ROOM_BYTES = 16 * 2**20


def require_room() -> None:
    """Raises the OSError of a full disk before something is begun whose result could not be kept, such as a model
    call, which costs. `outages.of` knows it."""
    if shutil.disk_usage(settings.OPENHANDS_HOME).free < ROOM_BYTES:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(settings.OPENHANDS_HOME))
