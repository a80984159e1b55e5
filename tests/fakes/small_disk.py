"""A disk of a few megabytes that a test can fill; needs root. Tests that use it are marked `service("tmpfs")`."""

import shutil
import subprocess
from contextlib import suppress
from pathlib import Path
from types import TracebackType


class SmallDisk:
    """Mounted at `folder` for as long as it is entered."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        self._size = f"size={megabytes}m"

    def __enter__(self) -> "SmallDisk":
        self.folder.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", self._size, "tmpfs", str(self.folder)]
        subprocess.run(command, check=True, capture_output=True)
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        subprocess.run(["umount", "-l", str(self.folder)], check=True, capture_output=True)

    def fill(self) -> None:
        """To the last byte."""
        with (self.folder / "filler").open("ab", buffering=0) as filler:
            for size in (1 << 20, 4096, 1):
                with suppress(OSError):
                    while filler.write(b"\0" * size):
                        pass
        assert shutil.disk_usage(self.folder).free == 0

    def make_room(self) -> None:
        (self.folder / "filler").unlink()
