"""Room on the disk of the data folder. What lacks it stays due, and goes on once there is some."""

import errno
import shutil

from django.conf import settings

ROOM_BYTES = 16 * 2**20
FULL = (
    "The server's disk is full. Nothing is lost: the work goes on by itself once an operator has made room in the "
    "data folder ({home})."
)


class DiskFullError(Exception):
    """There is no room for what has to be kept. To try the same again helps only after room was made."""

    def __init__(self) -> None:
        super().__init__(FULL.format(home=settings.OPENHANDS_HOME))


def is_full(error: BaseException) -> bool:
    """Whether the operating system said so."""
    return isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}


def require_room() -> None:
    """Raises DiskFullError before something is begun whose result could not be kept, such as a call that costs."""
    if shutil.disk_usage(settings.OPENHANDS_HOME).free < ROOM_BYTES:
        raise DiskFullError
