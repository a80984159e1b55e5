import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sandboxes.backends.trees import remove_tree

SOMEBODY = 65534


@contextmanager
def without_rights_of_root(folder: Path) -> Iterator[None]:
    """Nothing is closed to root, so as root it is somebody else who acts, and whom the folder belongs to."""
    if os.geteuid() != 0:
        yield
        return
    os.chown(folder, SOMEBODY, SOMEBODY)
    os.seteuid(SOMEBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that somebody else can reach, too."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.mark.parametrize("mode", [0o000, 0o300, 0o400, 0o500])
def test_a_tree_is_removed_whatever_its_folders_forbid_and_not_what_its_links_lead_to(
    folder: Path, mode: int
) -> None:
    with without_rights_of_root(folder):
        outside = folder / "outside"
        outside.mkdir()
        (outside / "kept").touch()
        outside.chmod(0o500)
        tree = folder / "tree"
        inner = tree / "closed" / "inner"
        inner.mkdir(parents=True)
        (tree / "link").symlink_to(outside)
        for path in (inner, tree / "closed", tree):
            (path / "file").touch()
            (path / "link-here").symlink_to(outside)
            path.chmod(mode)
        remove_tree(tree)
        remove_tree(tree)
        assert not os.path.lexists(tree)
        assert (outside / "kept").exists()
        assert outside.stat().st_mode & 0o777 == 0o500
