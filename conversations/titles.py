"""One line of what was written in Markdown, for where only a line fits: titles, tasks, folded thoughts. Pure."""

import re

TITLE_LENGTH = 80
_LINK = re.compile(r"!?\[([^\]]+)\]\([^)]*\)")
_MARKS = re.compile(r"^(?:[#>\s]|[-*+]\s|\[[ xX]\]\s)+|\*{2,}|`")


def title_from(text: str) -> str:
    """The first line of a message that says something, without its marks, shortened at a word."""
    lines = (" ".join(raw.split()) for raw in text.splitlines())
    line = next((line for line in lines if line.strip("`#> ") and not line.startswith("```")), "")
    line = without_marks(line).rstrip(":")
    if len(line) <= TITLE_LENGTH:
        return line or "New conversation"
    return line[:TITLE_LENGTH].rsplit(" ", 1)[0] + "…"


def without_marks(line: str) -> str:
    """The line as it reads, without the marks of its Markdown."""
    return _MARKS.sub("", _LINK.sub(r"\1", line)).strip()
