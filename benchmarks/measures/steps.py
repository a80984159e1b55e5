"""One step, all in: the model called, its action stored, `echo` run in the sandbox's shell, the observation stored and
delivered on a socket, from the moment that the observation before was written."""

from collections.abc import Iterator, Sequence

import httpx

from benchmarks.bench import Bench, Installation, events_of, moment, wait_until_settled
from benchmarks.figures import Figure

AIMS = {10: None, 50: 10, 200: 13}
LONG = 1000
LONG_AIM = 30


def measure(bench: Bench) -> Iterator[Figure]:
    long = bench.count(LONG, 40)
    quarter = long // 4
    taken: dict[int, list[list[float]]] = {steps: [] for steps in [*AIMS, long]}
    with bench.installation() as installation, installation.api() as api:
        step_times(installation, api, 3)  # the worker loads what it needs at its first conversation
        for _ in range(bench.runs):
            for steps in AIMS:
                taken[steps].append(step_times(installation, api, steps))
        for _ in range(bench.count(2, 1)):
            taken[long].append(step_times(installation, api, long))
    for steps, aim in AIMS.items():
        yield Figure(f"a step, all in, of {steps}", "ms", taken[steps], aim=aim)
    last = [times[-quarter:] for times in taken[long]]
    yield Figure(f"a step, all in, the last quarter of {long}", "ms", last, aim=LONG_AIM)
    tenth = long // 10
    about = [times[tenth - tenth // 4 : tenth + tenth // 4] for times in taken[long]]
    name = f"a step, all in, about the {tenth}th"
    yield Figure(name, "ms", about)
    at_the_end = [times[-tenth // 2 :] for times in taken[long]]
    yield Figure(f"a step, all in, about the {long}th", "ms", at_the_end, tenfold_of=name)


def step_times(installation: Installation, api: httpx.Client, steps: int) -> list[float]:
    """Milliseconds of each step but the first."""
    conversation = installation.file(api, steps)
    with installation.watch(conversation.id) as watchers:
        wait_until_settled(api, conversation)
    arrivals = watchers.seen[0][1]
    observations = [event for event in events_of(api, conversation) if event["kind"] == "observation"]
    return between(
        [moment(event["created_at"]) for event in observations],
        [arrivals[event["sequence"]] for event in observations],
    )


def between(written: Sequence[float], arrived: Sequence[float]) -> list[float]:
    """Milliseconds from the writing of each observation to the arrival of the next. Pure."""
    return [(end - begin) * 1000 for begin, end in zip(written, arrived[1:], strict=False)]
