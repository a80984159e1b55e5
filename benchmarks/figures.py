"""A figure: the samples of one measure, run by run, and what is said of them."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Judge = Literal["median", "p95", "p99"]
SHARES = {"median": 0.5, "p95": 0.95, "p99": 0.99}


def percentile(samples: Sequence[float], share: float) -> float:
    """The smallest sample that `share` of all do not exceed (nearest rank); the median lies between two."""
    if share == 0.5:
        return statistics.median(samples)
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def all_at_work(moments: Sequence[Sequence[float]]) -> tuple[float, float]:
    """From the first moment of whoever began last to the last of whoever ended first. Pure."""
    return max(each[0] for each in moments), min(each[-1] for each in moments)


@dataclass(frozen=True)
class Figure:
    """`runs` holds the samples of each run in `unit`, in the order in which they were taken.

    `aim` is what the figure `judged_by` should not exceed (with `more_is_better`: not fall below). `tenfold_of` names
    the figure with a tenth as many (sockets, conversations, steps).
    """

    name: str
    unit: str
    runs: Sequence[Sequence[float]]
    aim: float | None = None
    judged_by: Judge = "median"
    more_is_better: bool = False
    tenfold_of: str = ""

    @property
    def samples(self) -> list[float]:
        return [sample for run in self.runs for sample in run]

    @property
    def value(self) -> float:
        return percentile(self.samples, SHARES[self.judged_by])

    @property
    def is_met(self) -> bool | None:
        if self.aim is None:
            return None
        return self.value >= self.aim if self.more_is_better else self.value <= self.aim

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest value of any run; of one run its quartiles."""
        if len(self.runs) == 1:
            return percentile(self.samples, 0.25), percentile(self.samples, 0.75)
        values = [percentile(run, SHARES[self.judged_by]) for run in self.runs]
        return min(values), max(values)

    def as_json(self) -> dict[str, Any]:
        samples = self.samples
        return {
            "name": self.name,
            "unit": self.unit,
            "runs": len(self.runs),
            "samples": len(samples),
            "median": percentile(samples, 0.5),
            "p95": percentile(samples, 0.95),
            "p99": percentile(samples, 0.99),
            "spread": list(self.spread),
            "value": self.value,
            "judged_by": self.judged_by,
            "aim": self.aim,
            "met": self.is_met,
            "more_is_better": self.more_is_better,
            "tenfold_of": self.tenfold_of,
        }


@dataclass(frozen=True)
class Breakdown:
    """Where the time of something goes: parts in `unit`, means, which add up to the whole."""

    name: str
    unit: str
    parts: dict[str, float] = field(default_factory=dict)

    @property
    def total(self) -> float:
        return sum(self.parts.values())

    def as_json(self) -> dict[str, Any]:
        return {"name": self.name, "unit": self.unit, "parts": self.parts, "total": self.total}


Measurement = Figure | Breakdown
