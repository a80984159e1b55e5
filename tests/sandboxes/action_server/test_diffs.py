"""Diffs are right, and bounded in size and time."""

import random
import time

from sandboxes.action_server.diffs import unified_diff


def patched(old: list[str], diff: str) -> list[str]:
    """`old` with the hunks of `diff` applied; fails when their context does not fit."""
    new: list[str] = []
    at = 0
    for line in diff.split("\n"):
        if line.startswith("@@"):
            start, _, count = line.split()[1][1:].partition(",")
            begin = int(start) - (count != "0")
            new += old[at:begin]
            at = begin
        elif line.startswith("+"):
            new.append(line[1:])
        else:
            assert old[at] == line[1:]
            new += [line[1:]] if line.startswith(" ") else []
            at += 1
    return new + old[at:]


def test_a_diff_leads_from_the_old_to_the_new() -> None:
    chance = random.Random(3)
    for _ in range(200):
        old = [chance.choice("abcd") for _ in range(chance.randint(0, 40))]
        new = list(old)
        for _ in range(chance.randint(1, 4)):
            at = chance.randint(0, len(new))
            new[at : at + chance.randint(0, 3)] = ["new"] * chance.randint(0, 2)
        diff = unified_diff("".join(f"{line}\n" for line in old), "".join(f"{line}\n" for line in new))
        assert (patched(old, diff) if diff else old) == new


def test_a_change_far_down_has_the_right_numbers() -> None:
    old = "".join(f"{number}\n" for number in range(100_000))
    assert unified_diff(old, old.replace("\n50000\n", "\nx\n")).startswith(
        "@@ -49998,7 +49998,7 @@\n 49997\n"
    )


def test_nothing_changed_is_an_empty_diff() -> None:
    assert unified_diff("a\n", "a\n") == ""


def test_a_huge_change_takes_no_time_and_no_room() -> None:
    begun = time.monotonic()
    assert "too large" in unified_diff("a\n" * 200_000, "b\n" * 200_000)
    assert len(unified_diff("", "x" * 50_000)) < 10_100
    assert time.monotonic() - begun < 20
