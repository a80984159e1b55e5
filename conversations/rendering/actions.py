"""What an action does, in a card's first line, and its arguments as the card shows them."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils.safestring import SafeString

from conversations.events import Action
from conversations.rendering import markdown
from conversations.rendering.excerpts import Excerpt, excerpt
from conversations.titles import without_marks
from sandboxes.protocol import KEY

TITLE_LIMIT = 300


@dataclass(frozen=True)
class Described:
    """`verb` and `title` are the first line, the title as code where `is_code`; `detail` is what the line could
    not hold; `text` is Markdown of a thought or a final message; `tasks` is a list of tasks."""

    verb: str = ""
    title: str = ""
    is_code: bool = True
    detail: Excerpt | None = None
    text: SafeString | None = None
    tasks: list[dict[str, Any]] | None = None


def describe_action(conversation_id: UUID, action: Action) -> Described:
    arguments = action.arguments
    if isinstance(arguments, dict):
        describe = _TOOLS.get(action.tool)
        try:
            return describe(arguments) if describe else _other(action.tool, arguments)
        except (AttributeError, LookupError, TypeError, ValueError):
            # The model gave what the tool does not take; its observation says so.
            return _other(action.tool, arguments)
    given = arguments if arguments is not None else action.raw_arguments
    return Described(verb=action.tool, detail=excerpt(conversation_id, given or ""))


def _terminal(arguments: dict[str, Any]) -> Described:
    command = str(arguments.get("command", ""))
    if arguments.get("reset"):
        return Described(verb="New shell", title=_first_line(command), detail=_beyond(command))
    if not command.strip():
        return Described(verb="Read on")
    is_typed = arguments.get("is_input") or re.fullmatch(KEY, command.strip())
    return Described(verb="Type" if is_typed else "$", title=_first_line(command), detail=_beyond(command))


def _file_editor(arguments: dict[str, Any]) -> Described:
    command, path = arguments["command"], arguments["path"]
    verb = {
        "view": "View",
        "create": "Create",
        "str_replace": "Edit",
        "insert": "Insert into",
        "undo_edit": "Undo edit of",
    }
    lines = arguments.get("view_range")
    span = f", lines {lines[0]} to {'the end' if lines[1] == -1 else lines[1]}" if lines else ""
    return Described(verb=verb[command], title=f"{path}{span}")


def _think(arguments: dict[str, Any]) -> Described:
    thought = arguments["thought"]
    return Described(
        verb="Thought",
        title=without_marks(_first_line(thought)),
        is_code=False,
        text=markdown.render(thought),
    )


def _task_tracker(arguments: dict[str, Any]) -> Described:
    tasks = [
        {"status": "todo", "notes": "", **task, "title": without_marks(task["title"])}
        for task in arguments["tasks"]
    ]
    done = sum(task["status"] == "done" for task in tasks)
    return Described(verb="Tasks", title=f"{done} of {len(tasks)} done", is_code=False, tasks=tasks)


def _finish(arguments: dict[str, Any]) -> Described:
    return Described(verb="Finished", text=markdown.render(arguments["message"]))


def _other(tool: str, arguments: dict[str, Any]) -> Described:
    return Described(verb=tool, detail=Excerpt(json.dumps(arguments, indent=2, ensure_ascii=False)))


_TOOLS: dict[str, Callable[[dict[str, Any]], Described]] = {
    "terminal": _terminal,
    "file_editor": _file_editor,
    "think": _think,
    "task_tracker": _task_tracker,
    "finish": _finish,
}


def _first_line(text: str) -> str:
    """The first line, marked where it is not all."""
    line = text.strip().partition("\n")[0][:TITLE_LIMIT]
    return line if line == text.strip() else f"{line} …"


def _beyond(text: str) -> Excerpt | None:
    """The whole text where its first line is not all of it."""
    return None if text.strip() == _first_line(text) else Excerpt(text.strip("\n"))
