"""A unified diff as lines with their numbers, for a table."""

import re
from dataclasses import dataclass
from typing import Literal

_HUNK = re.compile(r"^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")


@dataclass(frozen=True)
class DiffLine:
    """`old` and `new` are the line's numbers before and after; None where it does not stand."""

    change: Literal["added", "removed", "same", "hunk"]
    text: str
    old: int | None = None
    new: int | None = None

    @property
    def mark(self) -> str:
        return {"added": "+", "removed": "-"}.get(self.change, "")


def lines_of(diff: str) -> list[DiffLine]:
    """The lines of a diff without file names; none of an empty one."""
    lines: list[DiffLine] = []
    old = new = 0
    for line in diff.split("\n") if diff else ():
        if hunk := _HUNK.match(line):
            old, new = int(hunk[1]), int(hunk[2])
            lines.append(DiffLine("hunk", line[hunk.end() :].strip()))
        elif line.startswith("+"):
            lines.append(DiffLine("added", line[1:], new=new))
            new += 1
        elif line.startswith("-"):
            lines.append(DiffLine("removed", line[1:], old=old))
            old += 1
        elif line.startswith("…"):
            lines.append(DiffLine("hunk", line))
        else:
            lines.append(DiffLine("same", line[1:], old, new))
            old, new = old + 1, new + 1
    return lines


def changed(diff: str) -> tuple[int, int]:
    """How many lines were added and removed."""
    lines = lines_of(diff)
    return sum(line.change == "added" for line in lines), sum(line.change == "removed" for line in lines)
