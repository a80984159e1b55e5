"""The conversation list and the live page of a long conversation, as the server gives them to a person who is signed
in, with few and with many conversations and events in the database; and a step, meanwhile."""

import http.client
from collections.abc import Iterator

from benchmarks.bench import Bench, Installation
from benchmarks.figures import Figure
from benchmarks.measures.steps import step_times
from benchmarks.probe import timed

EVENTS_EACH = 100
WATCHED_EVENTS = 10_000


def measure(bench: Bench) -> Iterator[Figure]:
    tenth = bench.count(1000, 20)
    with bench.installation() as installation, installation.api() as api:
        (watched,) = installation.inside("conversations", 1)
        installation.inside("events", watched, bench.count(WATCHED_EVENTS, 400))
        cookies = installation.inside("session")
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
        paths = {"conversation list": "/", "live page": f"/conversations/{watched}/"}
        names: dict[str, str] = {}
        for missing, conversations in ((tenth, tenth), (tenth * 9, tenth * 10)):
            installation.inside("fill", missing, EVENTS_EACH)
            where = f"{conversations:,} conversations, {conversations * EVENTS_EACH:,} events"
            aim = 50 if conversations > tenth else None
            for what, path in paths.items():
                runs = _times(installation, path, headers, bench)
                name = f"{what}: {where}"
                yield Figure(name, "ms", runs, aim=aim, tenfold_of=names.get(what, ""))
                names[what] = name
            step_times(installation, api, 3)
            steps = [step_times(installation, api, 50) for _ in range(bench.runs)]
            name = f"a step, all in, of 50: {where}"
            yield Figure(name, "ms", steps, tenfold_of=names.get("step", ""))
            names["step"] = name


def _times(installation: Installation, path: str, headers: dict[str, str], bench: Bench) -> list[list[float]]:
    connection = http.client.HTTPConnection("localhost", installation.port, timeout=60)
    for _ in range(3):
        timed(connection, path, headers)
    count = bench.count(20, 3)
    runs = [[timed(connection, path, headers) for _ in range(count)] for _ in range(bench.runs)]
    connection.close()
    return runs
