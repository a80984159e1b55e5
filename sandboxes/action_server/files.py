"""The tool `file_editor`: look at files and folders, and change text files.

Arguments: `command` (view, create, str_replace, insert, undo_edit), `path` and, by command, `view_range`,
`file_text`, `old_str`, `new_str`, `insert_line`. `meta.path` is the real path; an edit has `meta.diff`.
"""

from __future__ import annotations

import asyncio
import base64
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable

from sandboxes.protocol import ActionRequest, Part, Result

from .arguments import Arguments
from .diffs import unified_diff
from .errors import ToolError
from .folders import list_folder, printable
from .history import Edit, History
from .texts import Text, line_of, matches, near_matches, numbered, read_text, split_lines
from .whole_files import Places, read_file, write_file

_ARGUMENTS = ("command", "path", "view_range", "file_text", "old_str", "new_str", "insert_line")
_IMAGES = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))
_IMAGE_BYTES = 5 * 1024 * 1024
_VISIBLE_CHARACTERS = 30_000
_LONGEST_LINE = 2_000
_SNIPPET = 4


class FileEditor:
    """One action at a time, in a thread of its own: no slow disk holds up the event loop."""

    def __init__(self, workspace: Path, readable: Path) -> None:
        self._places = Places(workspace, readable)
        self._history = History()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="file_editor")

    async def run(self, request: ActionRequest, interrupted: asyncio.Event) -> Result:
        """Carry out one action. It takes milliseconds, so it is never interrupted. Raises ToolError."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self.execute, request.arguments)

    def execute(self, values: dict[str, Any]) -> Result:
        """The same, blocking."""
        arguments = Arguments(values, _ARGUMENTS)
        commands: dict[str, Callable[[str, Arguments], Result]] = {
            "view": self._view,
            "create": self._create,
            "str_replace": self._str_replace,
            "insert": self._insert,
            "undo_edit": self._undo_edit,
        }
        name = arguments.text("command")
        if name not in commands:
            raise ToolError(f"There is no command {name!r}; there are {', '.join(commands)}.")
        path = self._places.resolve(arguments.text("path"), to_write=name != "view")
        try:
            return commands[name](path, arguments)
        except FileNotFoundError as error:
            raise ToolError(f"{printable(path)} does not exist.") from error
        except OSError as error:
            raise ToolError(f"{printable(path)}: {error.strerror or error}.") from error

    def _view(self, path: str, arguments: Arguments) -> Result:
        wanted = arguments.line_range("view_range")
        if os.path.isdir(path):
            if wanted:
                raise ToolError(f"{printable(path)} is a folder, which has no lines; leave out view_range.")
            return Result("ok", [Part("text", list_folder(path))], {"path": printable(path)})
        data = read_file(path)
        media_type = _image_type(data)
        if media_type:
            return _view_image(path, data, media_type)
        return _view_lines(path, split_lines(read_text(data).content), wanted)

    def _create(self, path: str, arguments: Arguments) -> Result:
        content = arguments.text("file_text")
        if os.path.lexists(path):
            raise ToolError(
                f"{printable(path)} exists already. Change it with str_replace or insert, or remove it in "
                "the terminal first if it is to be replaced as a whole."
            )
        self._write(path, None, content.encode())
        lines = len(split_lines(content))
        return _edited(path, f"Created {printable(path)} with {lines:,} lines.", "", content)

    def _str_replace(self, path: str, arguments: Arguments) -> Result:
        old, new = arguments.text("old_str"), arguments.text("new_str", "")
        if not old:
            raise ToolError("old_str is empty. Use insert to add lines, or create for a new file.")
        if old == new:
            raise ToolError("old_str and new_str are the same; nothing would change.")
        text = read_text(read_file(path))
        found = matches(text.content, old)
        if len(found) != 1:
            raise ToolError(_why_not_unique(path, text.content, old, found))
        return self._splice(path, text, *found[0], text.adopt(new))

    def _insert(self, path: str, arguments: Arguments) -> Result:
        after, new = arguments.line("insert_line"), arguments.text("new_str")
        text = read_text(read_file(path))
        lines = text.content.split("\n")
        count = len(split_lines(text.content))
        if not 0 <= after <= count:
            raise ToolError(f"insert_line must be from 0 (the beginning) to {count} (after the last line).")
        start = sum(len(line) + 1 for line in lines[:after])
        new = text.adopt(new if new.endswith("\n") else new + "\n")
        if start > len(text.content):  # The last line has no end yet.
            start, new = len(text.content), text.newline + new.rstrip("\r\n")
        return self._splice(path, text, start, start, new)

    def _undo_edit(self, path: str, arguments: Arguments) -> Result:
        edit = self._history.last(path)
        if edit is None:
            raise ToolError(f"There is no edit of {printable(path)} that could be undone.")
        if read_file(path) != edit.after:
            raise ToolError(
                f"{printable(path)} has been changed since its last edit with this tool; undoing that would "
                "lose the change. Edit the file instead."
            )
        if edit.before is None:
            os.unlink(path)
        else:
            write_file(path, edit.before)
        self._history.remove(edit)
        after = read_text(edit.before or b"").content
        done = "Removed" if edit.before is None else "Undid the last edit of"
        return _edited(path, f"{done} {printable(path)}.", read_text(edit.after).content, after)

    def _splice(self, path: str, text: Text, start: int, end: int, new: str) -> Result:
        """Put `new` into the place of the characters from `start` to `end`, and show it."""
        content = text.content[:start] + new + text.content[end:]
        self._write(path, text.to_bytes(), text.with_content(content).to_bytes())
        lines = split_lines(content)
        first = line_of(content, start)
        last = line_of(content, start + max(len(new) - 1, 0))
        begin, end = max(first - _SNIPPET, 1), min(last + _SNIPPET, len(lines))
        shown = _clipped(lines[begin - 1 : end], begin)[0]
        return _edited(path, f"Edited {printable(path)}. Around the change:\n{shown}", text.content, content)

    def _write(self, path: str, before: bytes | None, after: bytes) -> None:
        write_file(path, after)
        self._history.add(Edit(path, before, after))


def _image_type(data: bytes) -> str | None:
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "image/webp"
    return next((media_type for magic, media_type in _IMAGES if data.startswith(magic)), None)


def _view_image(path: str, data: bytes, media_type: str) -> Result:
    if len(data) > _IMAGE_BYTES:
        raise ToolError(
            f"{printable(path)} is an image of {len(data):,} bytes; up to {_IMAGE_BYTES:,} can be shown. "
            "Make a smaller copy of it."
        )
    image = Part("image", media_type=media_type, data=base64.b64encode(data).decode("ascii"))
    return Result("ok", [image], {"path": printable(path), "media_type": media_type, "bytes": len(data)})


def _view_lines(path: str, lines: list[str], wanted: tuple[int, int] | None) -> Result:
    first, last = wanted or (1, -1)
    count = len(lines)
    last = count if last == -1 else last
    if wanted and (first < 1 or first > max(count, 1) or last < min(first, count)):
        raise ToolError(
            f"view_range must be [first, last] with 1 <= first <= last, or -1 for the last line; "
            f"{printable(path)} has {count:,} lines."
        )
    text, shown = _clipped(lines[first - 1 : last], first)
    if not lines:
        text = "[The file is empty.]"
    left_out = min(last, count) - (first - 1) - shown
    if left_out > 0:
        rest = [first + shown, min(last, count)]
        text += f"\n[{left_out:,} more lines are left out; go on with view_range {rest}.]"
    meta = {"path": printable(path), "lines": count, "truncated": left_out > 0}
    return Result("ok", [Part("text", text)], meta)


def _clipped(lines: list[str], first: int) -> tuple[str, int]:
    """As many numbered lines as fit, each of bounded length, and how many they are."""
    shown: list[str] = []
    room = _VISIBLE_CHARACTERS
    for line in lines:
        if len(line) > _LONGEST_LINE:
            line = f"{line[:_LONGEST_LINE]} [{len(line) - _LONGEST_LINE:,} more characters]"
        room -= len(line) + 8
        if room < 0:
            break
        shown.append(line)
    return numbered(shown, first), len(shown)


def _why_not_unique(path: str, content: str, old: str, found: list[tuple[int, int]]) -> str:
    if found:
        numbers = ", ".join(str(line_of(content, start)) for start, _ in found[:20])
        more = " …" if len(found) > 20 else ""
        return (
            f"old_str stands {len(found)} times in {printable(path)}, beginning in the lines "
            f"{numbers}{more}. Add lines around it until it is unique."
        )
    near = near_matches(content, old)
    hint = "View the file and copy the text exactly."
    if near:
        hint = f"It would match in line {', '.join(map(str, near))} but for white space. {hint}"
    return f"old_str does not stand in {printable(path)}. {hint}"


def _edited(path: str, text: str, before: str, after: str) -> Result:
    return Result("ok", [Part("text", text)], {"path": printable(path), "diff": unified_diff(before, after)})
