"""What the whole package promises to any image that it is copied into."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT

SOURCES = [ROOT / "sandboxes" / "protocol.py", *sorted((ROOT / "sandboxes" / "action_server").glob("*.py"))]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_it_is_python_3_9_and_imports_nothing_but_aiohttp(source: Path) -> None:
    tree = ast.parse(source.read_text(), feature_version=(3, 9))
    for node in ast.walk(tree):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            top = name.partition(".")[0]
            assert top in sys.stdlib_module_names or top == "aiohttp" or name == "sandboxes.protocol"


def test_it_starts_without_django() -> None:
    script = "import sys, sandboxes.action_server.__main__; print('django' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, check=True).stdout
    assert printed.strip() == b"False"
