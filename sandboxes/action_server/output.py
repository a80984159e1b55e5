"""What a command prints: the whole of it in a file, and what a model can read of it in bounded memory."""

from __future__ import annotations

import codecs
import os
import re
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import NamedTuple

VISIBLE_CHARACTERS = 30_000
FILE_BYTES = 1024**3
FOLDER_BYTES = 4 * 1024**3
_LONGEST_LINE = 64 * 1024

_COLOUR = re.compile(rb"\x1b\[[0-9;]*m")
_CONTROL_SEQUENCE = re.compile(
    rb"\x1b\[([0-?]*)[ -/]*([@-~])"  # CSI: cursor, colours
    rb"|\x1b[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # OSC, DCS, APC ...: titles, links
    rb"|\x1b[ -/]*[0-~]?"
)
_LINE_OVERWRITTEN = re.compile(rb"^[^\n]*\r(?=[^\r\n])", re.MULTILINE)
_BACKSPACED = re.compile(rb"(?:[\xc0-\xff][\x80-\xbf]+|[^\x08\n\x80-\xbf])\x08")
_CONTROLS = bytes(set(range(32)) - {9, 10}) + b"\x7f"
_WIDEST_GAP = 200
_BACKSPACES = 80  # in a row; no program that draws a spinner or an overstrike uses more


def plain(data: bytes) -> bytes:
    """Whole lines as a reader would see them: no control sequences, only the last state of a progress bar."""
    if len(data.translate(None, _CONTROLS)) == len(data):
        return data  # The usual case, and what makes 100 MB a matter of a second.
    if b"\x1b" in data:
        data = _CONTROL_SEQUENCE.sub(_replacement, _COLOUR.sub(b"", data))
    if b"\r" in data:
        data = _LINE_OVERWRITTEN.sub(b"", data)
    if b"\x08" in data:
        data = _without_backspaced(data)
    return data.translate(None, _CONTROLS)


def _without_backspaced(data: bytes) -> bytes:
    for _ in range(_BACKSPACES):
        data, count = _BACKSPACED.subn(b"", data)
        if not count:
            break
    return data


def _replacement(match: re.Match[bytes]) -> bytes:
    """Keep words apart that a full-screen program placed with the cursor."""
    parameters, final = match.group(1), match.group(2)
    if final in (b"H", b"f", b"E"):
        return b"\n"
    if final == b"C":
        return b" " * min(int(parameters) if parameters.isdigit() else 1, _WIDEST_GAP)
    if final == b"G":
        return b"\r" if parameters in (b"", b"0", b"1") else b" "
    return b""


class PlainText:
    """Bytes of a terminal in, readable text out, a whole line at a time."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._held_size = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> str:
        """The lines that `data` completes."""
        end = data.rfind(b"\n") + 1
        if end:
            lines = self._take_held() + data[:end]
            self._hold(data[end:])
            return self._decoder.decode(plain(lines))
        self._hold(data)
        if self._held_size > _LONGEST_LINE:
            line = self._take_held()
            self._hold(_LINE_OVERWRITTEN.sub(b"\r", line) if b"\r" in line else line)
        return self.flush() if self._held_size > _LONGEST_LINE else ""

    def flush(self) -> str:
        """The unfinished line as it stands."""
        return self._decoder.decode(plain(self._take_held()))

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._held_size += len(data)

    def _take_held(self) -> bytes:
        held = b"".join(self._held)
        self._held, self._held_size = [], 0
        return held


class Excerpt:
    """The beginning and the end of a text of any length, in bounded memory."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._head = ""
        self._tail = ""
        self.characters = 0

    def add(self, text: str) -> None:
        self.characters += len(text)
        room = self._limit - len(self._head)
        if room > 0:
            self._head += text[:room]
        if len(text) >= self._limit:
            self._tail = text[-self._limit :]
            return
        self._tail += text
        if len(self._tail) > 4 * self._limit:
            self._tail = self._tail[-self._limit :]

    @property
    def omitted(self) -> int:
        """How many characters stand between `head` and `tail`."""
        return max(0, self.characters - self._limit)

    @property
    def head(self) -> str:
        """The beginning; all of the text when nothing is omitted."""
        return self._head[: self._limit // 2] if self.omitted else self._head

    @property
    def tail(self) -> str:
        """The end, when something is omitted."""
        return self._tail[self._limit // 2 - self._limit :] if self.omitted else ""


class Seen(NamedTuple):
    """What an observation shows of the output since the one before; `omitted` counts characters."""

    head: str
    tail: str
    omitted: int


class Output:
    """All that a command prints, and what background jobs printed since the command before it.

    As long as it is short it stays in memory; longer, it is in the file `path`, up to `file_bytes`.
    """

    def __init__(self, path: Path, file_bytes: int = FILE_BYTES) -> None:
        self.path = path
        self.bytes = 0
        self.is_cut = False  # The file ends before the output does.
        self._file_bytes = file_bytes
        self._memory = b""
        self._file: FileIO | None = None
        self._plain = PlainText()
        self._excerpt = Excerpt(VISIBLE_CHARACTERS)

    def feed(self, data: bytes) -> None:
        self._keep(data)
        self._excerpt.add(self._plain.feed(data))

    def take(self) -> Seen:
        """What came since the last call."""
        self._excerpt.add(self._plain.flush())
        seen = Seen(self._excerpt.head, self._excerpt.tail, self._excerpt.omitted)
        self._excerpt = Excerpt(VISIBLE_CHARACTERS)
        return seen

    @property
    def is_in_file(self) -> bool:
        return self._file is not None

    def close(self) -> None:
        if self._file is not None:
            with suppress(OSError):  # A disk elsewhere may say only now that it is full.
                self._file.close()

    def _keep(self, data: bytes) -> None:
        self.bytes += len(data)
        if self._file is None and self.bytes <= VISIBLE_CHARACTERS:
            self._memory += data
            return
        if self.is_cut:
            return
        try:
            if self._file is None:
                self._file = _open_with_room(self.path)
                data, self._memory = self._memory + data, b""
            room = self._file_bytes - (self.bytes - len(data))
            self.is_cut = self._file.write(data[: max(room, 0)]) < len(data)
        except OSError:  # The disk is full, or the folder is gone: the command itself goes on.
            self.is_cut = True


def _open_with_room(path: Path) -> FileIO:
    """Open a new file, without a buffer: that the disk is full shows as soon as it is written to, and nowhere else.

    The oldest outputs go when all together would take too much of the disk.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.scandir(path.parent) as entries:
        files = sorted(((entry.stat(), entry.path) for entry in entries), key=lambda item: item[0].st_mtime)
    total = sum(status.st_size for status, _ in files)
    for status, name in files:
        if total <= FOLDER_BYTES - FILE_BYTES:
            break
        os.unlink(name)
        total -= status.st_size
    return path.open("wb", buffering=0)
