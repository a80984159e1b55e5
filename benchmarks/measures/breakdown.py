"""Where the time of a step goes, on a server whose loop has a clock on each of its parts; the own part is all but the
client of the model with the provider behind it. And which process spends how much CPU on a step, socket and all."""

import json
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator

import httpx

from benchmarks.bench import Bench, Installation, wait_until_settled
from benchmarks.figures import Breakdown, Figure, Measurement
from benchmarks.tracing.clocks import MODEL

Step = dict[str, float]
SHORT, MIDDLE = 10, 50


def measure(bench: Bench) -> Iterator[Measurement]:
    long = bench.count(1000, 40)
    with (
        bench.installation(DJANGO_SETTINGS_MODULE="benchmarks.tracing.settings") as installation,
        installation.api() as api,
    ):
        wait_until_settled(api, installation.file(api, 3))
        traced: dict[int, list[list[Step]]] = {}
        for steps, runs in ((SHORT, bench.runs), (MIDDLE, bench.runs), (long, 1)):
            traced[steps] = []
            for _ in range(runs):
                (installation.home / "steps.jsonl").unlink(missing_ok=True)
                wait_until_settled(api, installation.file(api, steps))
                traced[steps].append(_steps(installation))
        cpu = _cpu(installation, api, bench.count(400, 40))
    yield Figure(f"own part of a step of {SHORT}", "ms", [_own(run) for run in traced[SHORT]], aim=5)
    last = [run[-long // 4 :] for run in traced[long]]
    yield Figure(f"own part of a step, the last quarter of {long}", "ms", [_own(run) for run in last], aim=5)
    yield Figure(f"the model's client in a step of {SHORT}", "ms", [_model(run) for run in traced[SHORT]])
    name = f"the model's client in a step, the last quarter of {long}"
    yield Figure(name, "ms", [_model(run) for run in last])
    yield parts_of(f"one step of {MIDDLE}", [step for run in traced[MIDDLE] for step in run])
    yield parts_of(f"one step, the last quarter of {long}", [step for run in last for step in run])
    yield Breakdown("CPU of one step, by process", "ms", cpu)


def _cpu(installation: Installation, api: httpx.Client, steps: int) -> dict[str, float]:
    """Milliseconds of each process for a step; what runs in the sandbox counts together."""
    conversation = installation.file(api, steps)
    with installation.watch(conversation.id):
        while not installation.calls(conversation.mark):
            time.sleep(0.1)
        known = len(installation.calls(conversation.mark))
        before = _spent(installation)
        wait_until_settled(api, conversation)
        spent = _spent(installation)
    share = 1000 / (steps - known)
    return {role: seconds * share for role in spent if (seconds := spent[role] - before.get(role, 0.0)) > 0}


def _spent(installation: Installation) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for process in installation.tree():
        found[installation.role(process)] += process.cpu_seconds
    return found


def _steps(installation: Installation) -> list[Step]:
    """All but the two at the beginning, in which the sandbox is waited for and the log says `running`, and the two at the
    end, in which the task is finished and the lease given up."""
    lines = (installation.home / "steps.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines][2:-2]


def _own(steps: list[Step]) -> list[float]:
    return [1000 * (sum(step.values()) - step.get(MODEL, 0.0)) for step in steps]


def _model(steps: list[Step]) -> list[float]:
    return [1000 * step.get(MODEL, 0.0) for step in steps]


def parts_of(name: str, steps: list[Step]) -> Breakdown:
    """The mean of each part in milliseconds, the largest first. Pure."""
    parts = {part for step in steps for part in step}
    means = {part: 1000 * statistics.fmean(step.get(part, 0.0) for step in steps) for part in parts}
    return Breakdown(name, "ms", dict(sorted(means.items(), key=lambda item: -item[1])))
