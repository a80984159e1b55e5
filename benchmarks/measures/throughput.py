"""The whole server with ten conversations at once, each watched on a socket, the model answering at once: steps a
second, and how long a person who looks at pages waits meanwhile."""

from collections.abc import Iterator

from benchmarks.bench import Bench, observed, wait_until_settled
from benchmarks.figures import Figure, all_at_work
from benchmarks.probe import Probe

AT_ONCE = 10


def measure(bench: Bench) -> Iterator[Figure]:
    rates, others = [], []
    with bench.installation() as installation, installation.api() as api:
        wait_until_settled(api, installation.file(api, 3))
        headers = {"Authorization": f"Bearer {installation.key}"}
        for _ in range(bench.runs):
            filed = [installation.file(api, bench.count(100, 30), held=True) for _ in range(AT_ONCE)]
            paths = ["/api/conversations", f"/api/conversations/{filed[0].id}", "/alive"]
            with (
                installation.watch(*(each.id for each in filed)),
                Probe(installation.port, headers, paths) as probe,
            ):
                installation.release(AT_ONCE)
                wait_until_settled(api, *filed)
            others.append(probe.times)
            rates.append([rate(observed(api, filed))])
    yield Figure(
        f"steps a second, {AT_ONCE} conversations at once", "1/s", rates, aim=120, more_is_better=True
    )
    yield Figure(f"other requests, {AT_ONCE} conversations at once", "ms", others, aim=50, judged_by="p99")


def rate(written: list[list[float]]) -> float:
    """Steps a second while all of the conversations were at work. Pure."""
    begin, end = all_at_work(written)
    steps = sum(begin <= at < end for times in written for at in times)
    return steps / (end - begin)
