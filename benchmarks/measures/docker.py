"""Docker sandboxes: how soon one answers, beside a bare container with an HTTP server, and its steps beside those of a
process; left out where there is no engine."""

import sys
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench, Installation
from benchmarks.figures import Figure
from benchmarks.measures.steps import step_times

DATABASE = False
NOBODY = "http://127.0.0.1:9"  # a provider that nobody asks


def measure(bench: Bench) -> Iterator[Figure]:
    installation_id = f"bench-{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        there = Installation(Path(folder) / "home", NOBODY, OPENHANDS_INSTALLATION_ID=installation_id)
        starts = there.inside("docker_starts", bench.count(30, 2))
    if isinstance(starts, str):
        print(f"  Docker is left out: {starts}", file=sys.stderr)
        return
    bare, ours = starts
    yield Figure("docker: bare container until its HTTP server answers", "ms", [bare])
    yield Figure("docker: sandbox until its first command is answered", "ms", [ours])
    for backend in ("process", "docker"):
        with (
            bench.installation(
                SANDBOX_BACKEND=backend, OPENHANDS_INSTALLATION_ID=installation_id
            ) as installation,
            installation.api() as api,
        ):
            step_times(installation, api, 3)
            runs = [step_times(installation, api, bench.count(100, 10)) for _ in range(bench.runs)]
            yield Figure(f"a step, all in, of 100: {backend} sandbox", "ms", runs)
