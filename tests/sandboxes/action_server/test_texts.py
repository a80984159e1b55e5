"""Matching in texts of both kinds of line endings."""

import time

from sandboxes.action_server.texts import matches, near_matches, read_text


def test_matches_are_exact_and_overlapping_ones_count() -> None:
    assert matches("abab", "ab") == [(0, 2), (2, 4)]
    assert matches("aaa", "aa") == [(0, 2), (1, 3)]
    assert matches("a.c abc", "a.c") == [(0, 3)]


def test_a_line_end_matches_either_kind_once() -> None:
    assert matches("a\r\nb\r\n", "a\nb") == [(0, 4)]
    assert matches("a\r\nb", "\nb") == [(1, 4)]
    assert matches("a\r\nb\nc", "a\r\nb\r\nc") == [(0, 6)]


def test_matches_are_bounded_in_a_large_file() -> None:
    begun = time.monotonic()
    assert len(matches("a\r\n" * 1_000_000, "a")) == 100
    assert matches("a\r\n" * 1_000_000, "b") == []
    assert near_matches("a b\n" * 100_000, "a  b") == list(range(1, 11))
    assert time.monotonic() - begun < 30


def test_white_space_alone_is_near_to_nothing() -> None:
    assert near_matches("\n\n\n", "  \n ") == []


def test_the_newline_is_that_of_most_lines() -> None:
    assert read_text(b"a\r\nb\r\nc\n").newline == "\r\n"
    assert read_text(b"a\r\nb\nc\n").newline == "\n"
    assert read_text(b"").newline == "\n"
