"""The pure parts of the measures: what is made of times that were taken."""

import pytest

from benchmarks.compare import ratios
from benchmarks.measures.breakdown import parts_of
from benchmarks.measures.crowd import added_to_steps
from benchmarks.measures.delivery import delays
from benchmarks.measures.steps import between
from benchmarks.measures.throughput import rate
from benchmarks.watching import arrivals

HANDSHAKE = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"


def frame(text: bytes) -> bytes:
    """As a server sends it."""
    if len(text) < 126:
        return b"\x81" + bytes([len(text)]) + text
    return b"\x81\x7e" + len(text).to_bytes(2, "big") + text


def test_an_event_has_arrived_when_its_frame_is_whole() -> None:
    first = frame(b'{"events":[{"sequence":1},{"sequence":2}]}')
    second = frame(b'{"events":[{"sequence":3,"payload":"' + b"x" * 200 + b'"}]}')
    pieces = [(1.0, HANDSHAKE + first[:10]), (2.0, first[10:] + second[:50]), (3.0, second[50:])]
    assert arrivals(pieces) == {1: 2.0, 2: 2.0, 3: 3.0}


def test_a_step_lasts_from_an_observation_s_writing_to_the_next_one_s_arrival() -> None:
    assert between([10.0, 10.5, 11.0], [10.1, 10.6, 11.25]) == pytest.approx([600, 750])


def test_every_socket_counts_with_the_events_of_its_conversation() -> None:
    committed = [("a", 1, 1.0), ("b", 1, 1.5), ("a", 2, 2.0)]
    seen = [("a", {1: 1.01, 2: 2.02}), ("b", {1: 1.53}), ("a", {1: 1.04, 2: 2.05})]
    assert delays(committed, seen) == pytest.approx([10, 40, 30, 20, 50])


def test_an_event_that_did_not_arrive_is_an_error() -> None:
    with pytest.raises(KeyError):
        delays([("a", 2, 2.0)], [("a", {1: 1.01})])


def test_steps_are_counted_while_all_were_at_work() -> None:
    assert rate([[0.0, 1.0, 2.0, 3.0], [1.0, 1.5, 2.0]]) == 3.0


def test_what_is_added_to_a_step_is_what_the_model_did_not_take() -> None:
    observed = [[0.0, 2.1, 4.3], [1.0, 3.2, 9.0]]
    assert added_to_steps(observed, 2.0) == pytest.approx([200, 200])


def test_a_part_that_a_step_lacks_counts_as_nothing() -> None:
    breakdown = parts_of("a step", [{"model": 0.002}, {"model": 0.002, "database": 0.010}])
    assert list(breakdown.parts) == ["database", "model"]
    assert breakdown.parts["database"] == pytest.approx(5)


def test_two_commits_are_compared_by_their_medians_where_both_have_a_figure() -> None:
    before = {"a step": [10.0, 30.0, 20.0], "gone": [1.0]}
    after = {"a step": [5.0, 5.0, 9.0], "new": [1.0]}
    assert list(ratios(before, after)) == [("a step", 20.0, 5.0, 0.25)]
