"""The terminal at the action server: one command over HTTP, as the loop sends it, and how soon the server is ready."""

import http.client
import json
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure

KEY = "benchmark"
ROOT = Path(__file__).resolve().parents[1]


class Server:
    """An action server in a folder of its own, and one connection to it."""

    def __init__(self, folder: Path) -> None:
        announce = folder / "announce.json"
        paths = ["--workspace", str(folder / "workspace"), "--data", str(folder / "data")]
        begun = time.perf_counter()
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "sandboxes.action_server",
                "--announce",
                str(announce),
                *paths,
                "--key-file",
                "-",
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
        )
        assert self.process.stdin
        self.process.stdin.write(KEY.encode() + b"\n")
        self.process.stdin.close()
        while not announce.exists():
            time.sleep(0.002)
        self.ready_seconds = time.perf_counter() - begun
        announced = json.loads(announce.read_text())
        self.boot_id = announced["boot_id"]
        self.connection = http.client.HTTPConnection("127.0.0.1", announced["port"])

    def run(self, command: str) -> float:
        """Milliseconds of one command, from the request to the whole answer."""
        body: dict[str, Any] = {
            "conversation_id": "benchmark",
            "boot_id": self.boot_id,
            "fence": 1,
            "tool": "terminal",
            "arguments": {"command": command},
        }
        path = f"/actions/{uuid.uuid4()}"
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        begun = time.perf_counter()
        self.connection.request("PUT", path, json.dumps(body), headers)
        answer = json.loads(self.connection.getresponse().read())
        taken = (time.perf_counter() - begun) * 1000
        assert answer["meta"]["exit_code"] == 0, answer
        self.connection.request("DELETE", path, headers=headers)
        self.connection.getresponse().read()
        return taken

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(10)


def measure() -> list[Figure]:
    ready: list[float] = []
    figures: list[Figure] = []
    for _ in range(5):
        with tempfile.TemporaryDirectory() as folder:
            server = Server(Path(folder))
            ready.append(server.ready_seconds * 1000)
            server.run("true")
            if not figures:
                figures = [
                    Figure("terminal: true", "ms", [server.run("true") for _ in range(300)]),
                    Figure(
                        "terminal: 1 MB",
                        "ms",
                        [server.run("head -c 1000000 /dev/zero | tr '\\0' x") for _ in range(20)],
                    ),
                    Figure(
                        "terminal: 100 MB",
                        "ms",
                        [server.run("head -c 100000000 /dev/zero | tr '\\0' x") for _ in range(3)],
                    ),
                ]
            server.end()
    return [Figure("action server ready", "ms", ready), *figures]
