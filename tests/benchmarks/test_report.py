from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.figures import Breakdown, Figure
from benchmarks.report import Results, number

RESULTS = Results({"commit": "abc", "made_at": "now", "machine": {"cores": 2, "packages": {"django": "5"}}})
RESULTS.add("SQLite", Figure("pages at 10", "ms", [[9.0, 12.0]], aim=20))
RESULTS.add(
    "SQLite", Figure("pages at 100", "ms", [[18.0, 24.0]], aim=20, judged_by="p99", tenfold_of="pages at 10")
)
RESULTS.add("SQLite", Breakdown("a step", "ms", {"model": 3.5, "database": 1.25}))


@pytest.mark.parametrize(
    ("value", "told"),
    [(1234.5, "1,234"), (99.96, "100.0"), (12.34, "12.3"), (0.1234, "0.12"), (-3.0, "-3.00")],
)
def test_numbers_are_told_with_the_digits_that_mean_something(value: float, told: str) -> None:
    assert number(value) == told


def test_the_table_says_which_aims_are_met_and_how_cost_grows() -> None:
    lines = RESULTS.table().splitlines()
    small = next(line for line in lines if line.startswith("pages at 10 "))
    large = next(line for line in lines if line.startswith("pages at 100"))
    assert "met: at most 20.0" in small
    assert "MISSED: p99 at most 20.0" in large
    assert large.endswith("2.00 times with ten times as many")


def test_a_breakdown_is_told_with_its_sum() -> None:
    assert "a step (ms): 4.75" in RESULTS.table()


def test_publishing_replaces_what_stands_between_the_marks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "performance.md"
    page.write_text(f"Before.\n{report.BEGIN}\nold figures\n{report.END}\nAfter.\n")
    monkeypatch.setattr(report, "PAGE", page)
    machine = {
        "cpu": "A CPU",
        "cores": 2,
        "memory_gb": 4,
        "system": "Debian",
        "kernel": "6",
        "python": "3.11",
    }
    report.publish({**RESULTS.as_json(), "machine": {**machine, "packages": {}, "load_before": 0}})
    text = page.read_text()
    assert "old figures" not in text
    assert "| pages at 10 (ms) | 10.5 |" in text
    assert "| **together** | **4.75** |" in text
    assert text.startswith("Before.")
    assert text.endswith("After.\n")
