import os
from pathlib import Path

from sandboxes.backends.trees import remove_tree


def test_a_tree_is_removed_without_what_its_links_lead_to(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    tree = tmp_path / "tree"
    (tree / "closed").mkdir(parents=True)
    (tree / "link").symlink_to(outside)
    os.chmod(tree / "closed", 0o500)
    remove_tree(tree)
    remove_tree(tree)
    assert not tree.exists()
    assert (outside / "kept").exists()
