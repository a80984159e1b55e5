"""What `undo_edit` goes back to, bounded in number and in memory."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

_MOST_EDITS = 200
_MOST_BYTES = 32 * 1024 * 1024


class Edit(NamedTuple):
    """One edit of the file `path`; `before` is None when the edit created it."""

    path: str
    before: bytes | None
    after: bytes

    @property
    def size(self) -> int:
        return len(self.before or b"") + len(self.after)


class History:
    """The newest edits of all files."""

    def __init__(self) -> None:
        self._edits: deque[Edit] = deque()
        self._bytes = 0

    def add(self, edit: Edit) -> None:
        self._edits.append(edit)
        self._bytes += edit.size
        while len(self._edits) > _MOST_EDITS or self._bytes > _MOST_BYTES:
            self._bytes -= self._edits.popleft().size

    def last(self, path: str) -> Edit | None:
        """The newest edit of `path` that is still known."""
        return next((edit for edit in reversed(self._edits) if edit.path == path), None)

    def remove(self, edit: Edit) -> None:
        """Forget `edit`, which has been undone."""
        for index in reversed(range(len(self._edits))):
            if self._edits[index] is edit:
                del self._edits[index]
                self._bytes -= edit.size
                return
