"""From the commit of an event to its arrival on a socket, with few sockets and with many.

Events are committed by a process of its own, as a worker's are, at a pace at which about 1,000 deliveries a second are
due with many sockets. The sockets are held by several client processes.
"""

from collections.abc import Iterator, Sequence

from benchmarks.bench import Bench, Installation
from benchmarks.figures import Figure, Judge

# sockets, conversations, events a second in all, the aim in milliseconds and what is judged by it
LOADS: list[tuple[int, int, float, float | None, Judge]] = [
    (1, 1, 20, 3, "median"),
    (10, 1, 20, None, "p99"),
    (20, 1, 20, None, "p99"),
    (100, 1, 10, 15, "p99"),
    (1000, 50, 50, 50, "p99"),
]
CLIENTS = 3


def measure(bench: Bench) -> Iterator[Figure]:
    names: dict[int, str] = {}
    with bench.installation() as installation:
        for sockets, conversations, pace, aim, judged_by in LOADS:
            seconds = bench.count(10, 2)
            runs = [
                _delays(installation, sockets, conversations, pace, int(pace * seconds))
                for _ in range(bench.runs)
            ]
            where = f"{sockets} socket{'s'[: sockets > 1]}"
            if conversations > 1:
                where += f" of {conversations} conversations"
            names[sockets] = f"from commit to socket: {where}"
            yield Figure(
                names[sockets],
                "ms",
                runs,
                aim=aim,
                judged_by=judged_by,
                tenfold_of=names.get(sockets // 10, ""),
            )


def _delays(
    installation: Installation, sockets: int, conversations: int, pace: float, events: int
) -> list[float]:
    """Milliseconds of every delivery."""
    ids: list[str] = installation.inside("conversations", conversations)
    watched = [ids[number % conversations] for number in range(sockets)]
    with installation.watch(*watched, processes=CLIENTS) as watchers:
        committed = installation.inside("append", events, 1 / pace, *ids)
    return delays(committed, watchers.seen)


def delays(
    committed: Sequence[tuple[str, int, float]], seen: Sequence[tuple[str, dict[int, float]]]
) -> list[float]:
    """Milliseconds from each commit to each arrival; each event has to arrive everywhere. Pure."""
    arrivals: dict[str, list[dict[int, float]]] = {}
    for conversation_id, arrived in seen:
        arrivals.setdefault(conversation_id, []).append(arrived)
    return [
        (arrived[sequence] - at) * 1000
        for conversation_id, sequence, at in committed
        for arrived in arrivals[conversation_id]
    ]
