"""Folders of sandboxes, which hold what a user put there."""

import os
import shutil
from pathlib import Path


def remove_tree(path: Path) -> None:
    """Removes a file or folder, also one with folders in it that forbid writing."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    try:
        shutil.rmtree(path)
    except PermissionError:
        for folder, _folders, _files in os.walk(path):
            os.chmod(folder, 0o700)
        shutil.rmtree(path)
