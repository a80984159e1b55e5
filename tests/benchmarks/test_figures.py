import pytest

from benchmarks.figures import Breakdown, Figure, percentile


def test_a_percentile_is_a_sample_that_so_many_do_not_exceed() -> None:
    samples = [float(n) for n in range(100, 0, -1)]
    assert percentile(samples, 0.95) == 95
    assert percentile(samples, 0.99) == 99
    assert percentile([7.0], 0.99) == 7


def test_the_median_of_an_even_number_lies_between_two() -> None:
    assert percentile([1.0, 4.0, 2.0, 3.0], 0.5) == 2.5


@pytest.mark.parametrize(
    ("judged_by", "met"), [("median", True), ("p95", False)], ids=["its median", "its slow ones"]
)
def test_an_aim_is_met_by_what_the_figure_is_judged_by(judged_by: str, met: bool) -> None:
    figure = Figure("x", "ms", [[1.0] * 90 + [9.0] * 10], aim=5, judged_by=judged_by)  # type: ignore[arg-type]
    assert figure.is_met is met


def test_a_rate_must_not_fall_below_its_aim() -> None:
    assert Figure("x", "1/s", [[130.0]], aim=120, more_is_better=True).is_met
    assert not Figure("x", "1/s", [[110.0]], aim=120, more_is_better=True).is_met
    assert Figure("x", "1/s", [[110.0]]).is_met is None


def test_the_spread_is_over_runs_and_of_a_single_run_its_quartiles() -> None:
    assert Figure("x", "ms", [[1.0, 2.0, 9.0], [4.0, 5.0, 6.0]]).spread == (2.0, 5.0)
    assert Figure("x", "ms", [[1.0, 2.0, 3.0, 4.0]]).spread == (1.0, 3.0)


def test_the_parts_of_a_breakdown_add_up() -> None:
    told = Breakdown("a step", "ms", {"model": 3.5, "database": 1.25}).as_json()
    assert told["total"] == 4.75
