"""Starting, and being idle: `make run` for the second time, an action server, and what all of it takes when nothing
happens: memory of each process, and CPU."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.action_server import ActionServer
from benchmarks.bench import ROLES, Bench, Installation, wait_until_settled
from benchmarks.figures import Figure

IDLE_CONVERSATIONS = 20


def measure(bench: Bench) -> Iterator[Figure]:
    yield from _action_server(bench)
    starts = []
    with bench.installation() as installation, installation.api() as api:
        for _ in range(bench.runs):
            installation.end()
            starts.append([installation.start(("make", "run"))])
        yield Figure("`make run` for the second time until ready", "s", starts, aim=5)
        time.sleep(
            bench.count(15, 3)
        )  # the worker loads the model's client after it has said that it is ready
        yield from _at_rest(installation, "idle", bench)
        count = bench.count(IDLE_CONVERSATIONS, 2)
        wait_until_settled(api, *(installation.file(api, 2) for _ in range(count)))
        time.sleep(bench.count(5, 1))
        yield from _at_rest(installation, f"{count} idle conversations", bench)


def _action_server(bench: Bench) -> Iterator[Figure]:
    ready, memory = [], []
    for _ in range(bench.count(10, 2)):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder, ActionServer(Path(folder)) as server:
            server.run("true")
            ready.append([server.ready_milliseconds])
            memory.append([server.resident_megabytes])
    yield Figure("action server ready", "ms", ready, aim=300)
    yield Figure("memory of an action server", "MB", memory, aim=40)


def _at_rest(installation: Installation, when: str, bench: Bench) -> Iterator[Figure]:
    found = installation.processes()
    for role in ROLES:
        if role in found:
            yield Figure(f"memory, {when}: {role}", "MB", [[found[role].resident_megabytes]])
    seconds = bench.count(20, 3)
    before = _cpu(installation)
    time.sleep(seconds)
    share = 100 * (_cpu(installation) - before) / seconds
    yield Figure(f"CPU, {when}, all processes", "% of a core", [[share]], aim=1)


def _cpu(installation: Installation) -> float:
    return sum(process.cpu_seconds for process in installation.tree())
