"""Telling the figures: one JSON object, a table for people, and the same in docs/performance.md.

`python -m benchmarks.report FILE` fills docs/performance.md from a JSON object that was kept.
"""

import json
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from benchmarks import machine
from benchmarks.figures import Measurement
from benchmarks.machine import ROOT

PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- figures: made by `make bench`, not by hand -->", "<!-- end of the figures -->"
Row = dict[str, Any]


@dataclass
class Results:
    """What was measured, by database."""

    about: dict[str, Any]
    databases: dict[str, list[Row]] = field(default_factory=dict)

    @classmethod
    def begin(cls) -> Self:
        now = datetime.now(UTC).isoformat(timespec="minutes")
        return cls({"made_at": now, "commit": machine.commit(ROOT), "machine": machine.describe()})

    def add(self, database: str, measurement: Measurement) -> None:
        self.databases.setdefault(database, []).append(measurement.as_json())

    def as_json(self) -> dict[str, Any]:
        return {**self.about, "databases": self.databases}

    def to_json(self, indent: int | None = None) -> str:
        return json.dumps(self.as_json(), indent=indent)

    def table(self) -> str:
        described = json.dumps(self.about["machine"])
        parts = [f"commit {self.about['commit']}, {self.about['made_at']}, {described}"]
        for database, rows in self.databases.items():
            by_name = _figures(rows)
            parts += [f"\n{database}", *(line(row, by_name) for row in rows)]
        return "\n".join(parts)


def line(row: Row, others: dict[str, Row] | None = None) -> str:
    """One figure, or one breakdown, for a terminal."""
    if "parts" in row:
        parts = "".join(f"\n    {number(mean):>9}  {part}" for part, mean in row["parts"].items())
        return f"{row['name']} ({row['unit']}): {number(row['total'])}{parts}"
    cells = [number(row[name]).rjust(9) for name in ("median", "p95", "p99")]
    spread = " to ".join(map(number, row["spread"]))
    return f"{row['name'] + ' (' + row['unit'] + ')':<72}{''.join(cells)}  {spread:<17} {_verdict(row)} {_growth(row, others or {})}".rstrip()


def number(value: float) -> str:
    """Three digits that mean something."""
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:.2f}"


def _verdict(row: Row) -> str:
    if row["aim"] is None:
        return ""
    relation = "at least" if row["more_is_better"] else "at most"
    judged = "" if row["judged_by"] == "median" else f"{row['judged_by']} "
    return f"{'met' if row['met'] else 'MISSED'}: {judged}{relation} {number(row['aim'])}"


def _growth(row: Row, others: dict[str, Row]) -> str:
    """The statistic that this figure is judged by, of it and of the one with a tenth as many."""
    smaller = others.get(row["tenfold_of"])
    before = smaller and smaller[row["judged_by"]]
    return f"{row['value'] / before:.2f} times with ten times as many" if before else ""


def _figures(rows: list[Row]) -> dict[str, Row]:
    return {row["name"]: row for row in rows if "parts" not in row}


def markdown(results: Row) -> str:
    """The figures as tables of docs/performance.md. Pure."""
    described = results["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in described["packages"].items() if version)
    parts = [
        f"Commit {results['commit']}, {results['made_at']}, on {described['cpu']} ({described['cores']} cores, "
        f"{described['memory_gb']} GB), {described['system']}, kernel {described['kernel']}, Python "
        f"{described['python']}; {packages}. Load before the start: {described['load_before']}."
    ]
    for database, rows in results["databases"].items():
        by_name = _figures(rows)
        parts.append(f"### {database}")
        parts.append(
            "| figure | median | p95 | p99 | lowest to highest run | aim | growth |\n|---|---:|---:|---:|---:|---|---|\n"
            + "\n".join(_cells(row, by_name) for row in by_name.values())
        )
        parts += [_breakdown(row) for row in rows if "parts" in row]
    return "\n\n".join(parts)


def _cells(row: Row, others: dict[str, Row]) -> str:
    spread = " to ".join(map(number, row["spread"]))
    numbers = " | ".join(number(row[name]) for name in ("median", "p95", "p99"))
    return (
        f"| {row['name']} ({row['unit']}) | {numbers} | {spread} | {_verdict(row)} | {_growth(row, others)} |"
    )


def _breakdown(row: Row) -> str:
    parts = "\n".join(f"| {part} | {number(mean)} |" for part, mean in row["parts"].items())
    head = f"| {row['name']} | mean, {row['unit']} |\n|---|---:|\n"
    return f"{head}{parts}\n| **together** | **{number(row['total'])}** |"


def publish(results: Row) -> None:
    """Puts the figures between the two marks of docs/performance.md."""
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    assert end, f"{PAGE.name} has lost the marks between which the figures stand"
    PAGE.write_text(f"{before}{BEGIN}\n\n{markdown(results)}\n\n{END}{after}")


if __name__ == "__main__":
    publish(json.loads(Path(sys.argv[1]).read_text()))
