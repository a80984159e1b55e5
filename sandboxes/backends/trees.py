"""Folders of sandboxes, which hold what a user put there."""

import os
import shutil
from pathlib import Path


def remove_tree(path: Path) -> None:
    """Removes a file or folder, also one with folders in it that forbid reading or writing."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    try:
        shutil.rmtree(path)
    except PermissionError:
        _open(path)
        shutil.rmtree(path)


def _open(path: Path) -> None:
    """Gives us all rights to the folders. Each is opened before it is listed, which is when it is walked into."""
    os.chmod(path, 0o700)
    for folder, subfolders, _files in os.walk(path):
        for name in subfolders:
            subfolder = os.path.join(folder, name)
            if not os.path.islink(subfolder):
                os.chmod(subfolder, 0o700)
