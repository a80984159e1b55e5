"""An action server in a folder of its own, without the product around it."""

import http.client
import json
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any, Self

from benchmarks.machine import ROOT, Process

KEY = "benchmark"


class ActionServer:
    """Started by `with`; `ready_milliseconds` says how long that took."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        announce = self._folder / "announce.json"
        folders = ["--workspace", str(self._folder / "workspace"), "--data", str(self._folder / "data")]
        command = [sys.executable, "-m", "sandboxes.action_server", "--announce", str(announce), *folders]
        begun = time.perf_counter()
        self._process = subprocess.Popen([*command, "--key-file", "-"], cwd=ROOT, stdin=subprocess.PIPE)
        assert self._process.stdin
        self._process.stdin.write(KEY.encode() + b"\n")
        self._process.stdin.close()
        while not announce.exists():
            time.sleep(0.002)
        self.ready_milliseconds = (time.perf_counter() - begun) * 1000
        announced = json.loads(announce.read_text())
        self._boot_id = announced["boot_id"]
        self._connection = http.client.HTTPConnection("127.0.0.1", announced["port"])
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()
        self._process.terminate()
        self._process.wait(10)

    @property
    def resident_megabytes(self) -> float:
        return Process(self._process.pid, 0, "").resident_megabytes

    def run(self, command: str) -> float:
        """Milliseconds of one command, from the request to the whole answer."""
        body: dict[str, Any] = {
            "conversation_id": "benchmark",
            "boot_id": self._boot_id,
            "fence": 1,
            "tool": "terminal",
            "arguments": {"command": command},
        }
        path = f"/actions/{uuid.uuid4()}"
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
        begun = time.perf_counter()
        self._connection.request("PUT", path, json.dumps(body), headers)
        answer = json.loads(self._connection.getresponse().read())
        taken = (time.perf_counter() - begun) * 1000
        assert answer["outcome"] == "ok", answer
        self._connection.request("DELETE", path, headers=headers)
        self._connection.getresponse().read()
        return taken
