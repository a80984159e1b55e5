"""Viewing and editing the sandbox's files."""

from typing import Literal

from pydantic import Field

from conversations.tools.base import Arguments


class EditorArguments(Arguments):
    command: Literal["view", "create", "str_replace", "insert", "undo_edit"]
    path: str = Field(min_length=1, description="Absolute, or relative to the workspace.")
    view_range: list[int] | None = Field(
        None, min_length=2, max_length=2, description="First and last line for `view`; -1 is the end."
    )
    file_text: str | None = Field(None, description="The whole text for `create`.")
    old_str: str | None = Field(
        None, description="For `str_replace`: what stands there, exactly and only once."
    )
    new_str: str | None = Field(None, description="For `str_replace` and `insert`: the new text.")
    insert_line: int | None = Field(None, ge=0, description="For `insert`: after this line; 0 is the start.")


class FileEditor:
    name = "file_editor"
    description = (
        "Views and edits files of the sandbox. `view` shows a file with line numbers, a folder two levels deep, or "
        "an image. `create` makes a file. `str_replace` replaces a text that must stand there exactly once: take "
        "enough lines around it. `insert` puts text after a line. `undo_edit` takes the last edit of a file back."
    )
    arguments = EditorArguments
    runs_in_sandbox = True
