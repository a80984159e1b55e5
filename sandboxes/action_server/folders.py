"""A folder as the model sees it: two levels deep, hidden items counted and left out."""

from __future__ import annotations

import os

_DEPTH = 2
_MOST_ENTRIES = 1_000


def list_folder(path: str) -> str:
    """The listing as text. Raises OSError when the folder itself cannot be read."""
    lines: list[str] = []
    hidden = _list(path, "", 1, lines)
    notes = []
    if hidden:
        notes.append(f"{hidden:,} hidden items are left out; `ls -A` shows them.")
    if len(lines) > _MOST_ENTRIES:
        notes.append(f"{len(lines) - _MOST_ENTRIES:,} more items are left out; view a folder further down.")
    title = f"{printable(path)}, two levels deep:"
    return "\n".join([title, *lines[:_MOST_ENTRIES], *(f"[{note}]" for note in notes)])


def _list(path: str, prefix: str, depth: int, lines: list[str]) -> int:
    """Add the items of `path` to `lines`; returns how many were hidden."""
    hidden = 0
    with os.scandir(path) as scan:
        entries = sorted(scan, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.startswith("."):
            hidden += 1
            continue
        is_folder = entry.is_dir(follow_symlinks=False)
        name = prefix + printable(entry.name)
        lines.append(f"{name}/" if is_folder else f"{name}@" if entry.is_symlink() else name)
        if is_folder and depth < _DEPTH:
            try:
                hidden += _list(entry.path, f"{name}/", depth + 1, lines)
            except OSError as error:
                lines[-1] += f"  [{error.strerror}]"
    return hidden


def printable(name: str) -> str:
    """A file's name as text, also one that is not UTF-8."""
    return os.fsencode(name).decode("utf-8", "replace").replace("\n", "\\n")
