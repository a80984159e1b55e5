"""A figure: samples of one measure, and how they are told."""

import json
import os
import platform
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """`samples` in `unit`, in the order in which they were taken."""

    name: str
    unit: str
    samples: Sequence[float]

    def percentile(self, share: float) -> float:
        ordered = sorted(self.samples)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def summary(self) -> dict[str, float | int | str]:
        return {
            "name": self.name,
            "unit": self.unit,
            "runs": len(self.samples),
            "median": round(statistics.median(self.samples), 3),
            "p95": round(self.percentile(0.95), 3),
            "p99": round(self.percentile(0.99), 3),
        }


def tell(figures: Sequence[Figure]) -> None:
    """A table for people on stderr, one JSON object on stdout."""
    summaries = [figure.summary() for figure in figures]
    print(f"{'figure':<44}{'runs':>6}{'median':>10}{'p95':>10}{'p99':>10}", file=sys.stderr)
    for row in summaries:
        name = f"{row['name']} ({row['unit']})"
        print(
            f"{name:<44}{row['runs']:>6}{row['median']:>10}{row['p95']:>10}{row['p99']:>10}", file=sys.stderr
        )
    machine = {"cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()}
    print(json.dumps({"machine": machine, "figures": summaries}))
