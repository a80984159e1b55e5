"""A small project with a failing test, served by git on loopback, and the turns of a model that mends it."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fakes.openai_server import Turn
from tests.fakes.ports import free_port

CALC = "def add(a, b):\n    return a - b\n"
TEST = """import unittest

from calc import add


class AddTest(unittest.TestCase):
    def test_adds(self):
        self.assertEqual(add(2, 3), 5)
"""
IDENTITY = "-c user.name=Agent -c user.email=agent@example.com"


@contextmanager
def served_repository(folder: Path) -> Iterator[str]:
    """Yields the URL of the project."""
    project = folder / "calc"
    project.mkdir()
    (project / "calc.py").write_text(CALC)
    (project / "test_calc.py").write_text(TEST)
    for command in ("init -q -b main", "add .", f"{IDENTITY} commit -q -m Begin"):
        subprocess.run(["git", *command.split()], cwd=project, check=True)
    port = free_port()
    daemon = subprocess.Popen(
        [
            "git",
            "daemon",
            f"--base-path={folder}",
            "--export-all",
            "--listen=127.0.0.1",
            f"--port={port}",
            "--reuseaddr",
        ]
    )
    url = f"git://127.0.0.1:{port}/calc"
    try:
        for _ in range(100):
            if subprocess.run(["git", "ls-remote", url], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.05)
        yield url
    finally:
        daemon.terminate()
        daemon.wait(10)


def mending_turns(url: str) -> list[Turn]:
    return [
        Turn.call(
            "terminal", {"command": f"git clone -q {url} && cd calc && ls"}, text="I will look at it first."
        ),
        Turn.call("terminal", {"command": "python3 -B -m unittest"}),
        Turn.call(
            "file_editor",
            {
                "command": "str_replace",
                "path": "calc/calc.py",
                "old_str": "return a - b",
                "new_str": "return a + b",
            },
        ),
        Turn.call("terminal", {"command": "python3 -B -m unittest"}),
        Turn.call(
            "terminal",
            {"command": f"git {IDENTITY} commit -q -am 'Add, do not subtract' && git log --oneline"},
        ),
        Turn.call("finish", {"message": "`add` subtracted; it adds now and its test passes."}),
    ]


EXIT_CODES = [0, 1, 0, 0]
