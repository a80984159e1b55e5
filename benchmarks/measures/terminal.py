"""The terminal at the action server: one command over HTTP, as the loop sends it, in a persistent shell; and what a
pseudo-terminal alone takes for as many bytes, which the kernel hands on in pieces of 4 kB."""

import os
import pty
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.action_server import ActionServer
from benchmarks.bench import Bench
from benchmarks.figures import Figure

DATABASE = False
COMMANDS = {  # with how often in a run, and the aim in milliseconds
    "true": ("true", 200, 2),
    "1 MB of output": ("head -c 1000000 /dev/zero | tr '\\0' x", 20, 15),
    "100 MB of output": ("head -c 100000000 /dev/zero | tr '\\0' x", 3, 1000),
}
LINES = "yes 'a line of about fifty characters, as a build prints' | head -c 100000000"


def measure(bench: Bench) -> Iterator[Figure]:
    taken: dict[str, list[list[float]]] = {name: [] for name in [*COMMANDS, "100 MB of lines"]}
    grown: list[list[float]] = []
    for _ in range(bench.runs):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, ActionServer(Path(folder)) as server:
            server.run("true")
            for name, (command, count, _) in COMMANDS.items():
                before = server.resident_megabytes
                taken[name].append([server.run(command) for _ in range(bench.count(count, 3))])
            grown.append([server.resident_megabytes - before])
            taken["100 MB of lines"].append([server.run(LINES) for _ in range(bench.count(3, 1))])
    bound = [[_bare_pseudoterminal() for _ in range(bench.count(3, 1))] for _ in range(bench.runs)]
    yield Figure("the bound: 100 MB through a bare pseudo-terminal, thrown away", "ms", bound)
    for name, (_, _, aim) in COMMANDS.items():
        yield Figure(f"terminal: {name}", "ms", taken[name], aim=aim)
    yield Figure("terminal: 100 MB of lines", "ms", taken["100 MB of lines"], aim=1000)
    yield Figure("terminal: memory that 100 MB of output left behind", "MB", grown)


def _bare_pseudoterminal() -> float:
    """Milliseconds until the last byte of the longest command is read, with nothing done about it."""
    command, size = COMMANDS["100 MB of output"][0], 100_000_000
    master, slave = pty.openpty()
    begun = time.perf_counter()
    with subprocess.Popen(["bash", "-c", command], stdin=slave, stdout=slave):
        os.close(slave)
        while size > 0:
            size -= len(os.read(master, 65536))
        taken = (time.perf_counter() - begun) * 1000
    os.close(master)
    return taken
