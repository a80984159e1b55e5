"""Text files as they are: encoding, byte order mark and line endings survive an edit."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import islice

from .errors import ToolError

_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_BINARY_CONTROLS = bytes(set(range(32)) - {7, 8, 9, 10, 12, 13, 27})
_MOST_MATCHES = 100


@dataclass(frozen=True)
class Text:
    """A text file's content and what is needed to write it back the same way."""

    content: str
    encoding: str = "utf-8"
    mark: bytes = b""

    @property
    def newline(self) -> str:
        """The line ending that most lines have."""
        return "\r\n" if 2 * self.content.count("\r\n") > self.content.count("\n") else "\n"

    def with_content(self, content: str) -> Text:
        return replace(self, content=content)

    def adopt(self, text: str) -> str:
        """`text` with this file's line ending."""
        return text.replace("\r\n", "\n").replace("\n", self.newline)

    def to_bytes(self) -> bytes:
        """Raises ToolError when the file's encoding lacks a character."""
        try:
            return self.mark + self.content.encode(self.encoding)
        except UnicodeEncodeError as error:
            character = self.content[error.start]
            raise ToolError(
                f"The file is in {self.encoding}, which has no {character!r}. "
                "Leave that character out, or convert the file to UTF-8 in the terminal first (iconv)."
            ) from error


def read_text(data: bytes) -> Text:
    """Decode a file: by its byte order mark, else UTF-8, else Latin-1. Raises ToolError for a binary file."""
    text = _decode(data)
    if "\0" in text.content:
        raise ToolError(
            "This is a binary file. Look at it in the terminal, for instance with `file` or `xxd`."
        )
    return text


def _decode(data: bytes) -> Text:
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            try:
                return Text(data[len(mark) :].decode(encoding), encoding, mark)
            except UnicodeDecodeError:
                break
    try:
        return Text(data.decode("utf-8"))
    except UnicodeDecodeError:
        controls = len(data) - len(data.translate(None, _BINARY_CONTROLS))
        return Text("\0") if controls * 100 > len(data) else Text(data.decode("latin-1"), "latin-1")


def matches(content: str, wanted: str) -> list[tuple[int, int]]:
    """Where `wanted` stands in `content`, overlapping ones too, up to a hundred of them.

    A line end in `wanted` matches either kind of line end in `content`.
    """
    found: list[tuple[int, int]] = []
    if "\r" not in content:
        start = content.find(wanted)
        while start >= 0 and len(found) < _MOST_MATCHES:
            found.append((start, start + len(wanted)))
            start = content.find(wanted, start + 1)
        return found
    lines = wanted.replace("\r\n", "\n").split("\n")
    pattern = r"(?:\r\n|(?<!\r)\n)".join(re.escape(line) for line in lines)
    for match in re.finditer(f"(?=({pattern}))", content):
        found.append(match.span(1))
        if len(found) == _MOST_MATCHES:
            break
    return found


def near_matches(content: str, wanted: str) -> list[int]:
    """The lines (from 1) where `wanted` would match if white space did not count; at most ten."""
    lines = [" ".join(line.split()) for line in content.split("\n")]
    sought = [" ".join(line.split()) for line in wanted.strip("\r\n").split("\n")]
    if not any(sought):
        return []
    size = len(sought)
    first = sought[0]
    found = (
        number
        for number, line in enumerate(lines, start=1)
        if line == first and lines[number - 1 : number - 1 + size] == sought
    )
    return list(islice(found, 10))


def line_of(content: str, position: int) -> int:
    """The number, from 1, of the line that holds `position`."""
    return content.count("\n", 0, position) + 1


def split_lines(content: str) -> list[str]:
    """The lines without their ends; a line end at the end of the file begins no further line."""
    lines = content.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line[:-1] if line.endswith("\r") else line for line in lines]


def numbered(lines: list[str], first: int) -> str:
    """`lines` as the model and the page see them, the first of them with the number `first`."""
    return "\n".join(f"{number:6}\t{line}" for number, line in enumerate(lines, start=first))
