"""What an edit changed, as a unified diff of bounded size and in bounded time."""

from __future__ import annotations

import difflib
import re

from .texts import split_lines

_CONTEXT = 3
_MOST_CHARACTERS = 10_000
_MOST_LINES = 1_000  # on either side; difflib takes quadratic time


def unified_diff(before: str, after: str) -> str:
    """The difference, without file names; empty when there is none in the lines."""
    old, new = split_lines(before), split_lines(after)
    start = _common(old, new)
    end = _common(old[start:][::-1], new[start:][::-1])
    first = max(0, start - _CONTEXT)
    old_end, new_end = len(old) - end, len(new) - end
    changed = max(old_end, new_end) - start
    if changed > _MOST_LINES:
        return f"@@ -{start + 1},{old_end - start} +{start + 1},{new_end - start} @@ too large to show"
    changes = difflib.unified_diff(
        old[first : old_end + _CONTEXT], new[first : new_end + _CONTEXT], lineterm="", n=_CONTEXT
    )
    diff = "\n".join(_moved(line, first) if line.startswith("@@") else line for line in list(changes)[2:])
    return diff if len(diff) <= _MOST_CHARACTERS else diff[:_MOST_CHARACTERS] + "\n… (cut)"


def _moved(header: str, lines: int) -> str:
    """The header of a hunk that stands `lines` lines further down."""
    return re.sub(r"([-+])(\d+)", lambda match: f"{match[1]}{int(match[2]) + lines}", header)


def _common(left: list[str], right: list[str]) -> int:
    """How many lines at the beginning are the same."""
    shorter = min(len(left), len(right))
    return next((index for index in range(shorter) if left[index] != right[index]), shorter)
