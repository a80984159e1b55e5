"""A socket opened on a long log: from the connection to the end of the replay, with the client saying what it saw."""

from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.figures import Figure


def measure(bench: Bench) -> Iterator[Figure]:
    tenth = bench.count(1000, 100)
    with bench.installation() as installation:
        name = ""
        for events, aim in ((tenth, None), (tenth * 10, 200)):
            (conversation_id,) = installation.inside("conversations", 1)
            installation.inside("events", conversation_id, events)
            runs = []
            for _ in range(bench.runs):
                replays = []
                for _ in range(bench.count(5, 2)):
                    with installation.watch(conversation_id) as watchers:
                        pass
                    assert max(watchers.seen[0][1]) == events
                    replays += [1000 * seconds for seconds in watchers.replays]
                runs.append(replays)
            yield Figure(f"replay of {events:,} events", "ms", runs, aim=aim, tenfold_of=name)
            name = f"replay of {events:,} events"
