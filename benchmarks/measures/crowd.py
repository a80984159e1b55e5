"""A hundred conversations at once on one worker, the model taking 2 s: what the server adds to a step, and what memory
each conversation takes of the server's own processes."""

import time
from collections.abc import Iterator, Sequence
from itertools import pairwise

from benchmarks.bench import Bench, Installation, events_of, wait_until_settled
from benchmarks.figures import Figure
from benchmarks.measures.steps import moment

LATENCY = 2000  # milliseconds
OWN = ("web", "agent worker", "background worker", "redis", "supervisor")


def measure(bench: Bench) -> Iterator[Figure]:
    with bench.installation() as installation, installation.api() as api:
        wait_until_settled(api, installation.file(api, 3))
        name = ""
        for at_once, aim in ((bench.count(10, 2), None), (bench.count(100, 6), 100)):
            before = _megabytes(installation)
            steps = bench.count(15, 4)
            filed = [installation.file(api, steps, LATENCY, held=True) for _ in range(at_once)]
            installation.release(at_once)
            time.sleep(steps * LATENCY / 2000)
            grown = _megabytes(installation) - before
            wait_until_settled(api, *filed)
            observed = [
                [moment(each["created_at"]) for each in events_of(api, one) if each["kind"] == "observation"]
                for one in filed
            ]
            added = added_to_steps(observed, LATENCY / 1000)
            what = f"{at_once} conversations at once, the model taking 2 s"
            yield Figure(f"added to a step: {what}", "ms", [added], aim=aim, judged_by="p99", tenfold_of=name)
            name = f"added to a step: {what}"
            if aim:
                yield Figure(f"memory of one of {what}", "MB", [[grown / at_once]], aim=5)


def _megabytes(installation: Installation) -> float:
    found = installation.processes()
    return sum(found[role].megabytes for role in OWN if role in found)


def added_to_steps(observed: Sequence[Sequence[float]], latency: float) -> list[float]:
    """Milliseconds beyond the model's of each step taken while all conversations were at work. Pure."""
    begin, end = max(times[0] for times in observed), min(times[-1] for times in observed)
    return [
        (later - earlier - latency) * 1000
        for times in observed
        for earlier, later in pairwise(times)
        if begin <= earlier and later <= end
    ]
