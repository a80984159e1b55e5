"""A hundred conversations at once on one worker, the model taking 2 s: what the server adds to a step, and what memory
each conversation takes of the server's own processes.

They begin spread over the time of one call, as those do that people file. How long it takes when all their answers come
in one moment is a figure beside it: that is the time of so many steps, whoever is served last.
"""

import time
from collections.abc import Iterator, Sequence
from itertools import pairwise

from benchmarks.bench import Bench, Installation, observed, wait_until_settled
from benchmarks.figures import Figure, all_at_work

LATENCY = 2  # seconds
OWN = ("web", "agent worker", "background worker", "redis", "supervisor")


def measure(bench: Bench) -> Iterator[Figure]:
    tenth, full = bench.count(10, 2), bench.count(100, 6)
    with bench.installation() as installation, installation.api() as api:
        wait_until_settled(api, installation.file(api, 3))
        smaller = ""
        for at_once, aim in ((tenth, None), (full, 100)):
            before = _megabytes(installation)
            steps = bench.count(15, 4)
            filed = [installation.file(api, steps, LATENCY * 1000, held=True) for _ in range(at_once)]
            installation.release(at_once, over=LATENCY)
            time.sleep(steps * LATENCY / 2)
            grown = _megabytes(installation) - before
            wait_until_settled(api, *filed)
            added = added_to_steps(observed(api, filed), LATENCY)
            what = f"{at_once} conversations at once, the model taking {LATENCY} s"
            name = f"added to a step: {what}"
            yield Figure(name, "ms", [added], aim=aim, judged_by="p99", tenfold_of=smaller)
            smaller = name
            if aim:
                yield Figure(f"memory of one of {what}", "MB", [[grown / at_once]], aim=5)
        smaller = ""
        for at_once in (tenth, full):
            filed = [installation.file(api, 1, held=True) for _ in range(at_once)]
            released = installation.release(at_once)
            wait_until_settled(api, *filed)
            taken = [(times[0] - released) * 1000 for times in observed(api, filed)]
            name = f"the step of each of {at_once} whose answers come in one moment"
            yield Figure(name, "ms", [taken], tenfold_of=smaller)
            smaller = name


def _megabytes(installation: Installation) -> float:
    found = installation.processes()
    return sum(found[role].proportional_megabytes for role in OWN if role in found)


def added_to_steps(written: Sequence[Sequence[float]], latency: float) -> list[float]:
    """Milliseconds beyond the model's of each step taken while all conversations were at work. Pure."""
    begin, end = all_at_work(written)
    return [
        (later - earlier - latency) * 1000
        for times in written
        for earlier, later in pairwise(times)
        if begin <= earlier and later <= end
    ]
