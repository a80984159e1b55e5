"""The tool `terminal`: commands in persistent shells.

Arguments: `command`, `is_input`, `timeout` (seconds without output before it answers that the command
still runs; 30, or 5 after input), `reset`, `session`. The text of a result is what was printed, and notes in
brackets. A command that fails is no error of the tool: the outcome is `ok`, `meta.exit_code` says the rest.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any, Mapping

from sandboxes.protocol import KEY, LONGEST_TIMEOUT, SESSION_NAME, ActionRequest, Outcome, Part, Result

from .arguments import Arguments
from .children import Children
from .errors import ToolError
from .output import FILE_BYTES, Output, Seen
from .pseudoterminal import LONGEST_LINE
from .session import End, Session
from .shell import commands_environment

_ARGUMENTS = ("command", "is_input", "timeout", "reset", "session")
_SILENCE_SECONDS = 30.0
_SILENCE_SECONDS_AFTER_INPUT = 5.0
_MOST_SESSIONS = 16
_WHAT_TO_DO = (
    "Read on with an empty command, type into it with is_input, end it with the command C-c, "
    "or use another session."
)


class Terminal:
    """All sessions. A session belongs to a conversation: two conversations never share a shell.

    Outputs are kept in `data`/output, in files whose names begin with `prefix`.
    """

    def __init__(
        self, children: Children, workspace: Path, data: Path, environment: Mapping[str, str], prefix: str
    ) -> None:
        self._children = children
        self._workspace = workspace
        self._data = data
        self._prefix = prefix
        self._environment = commands_environment(environment)
        self._sessions: dict[tuple[str, str], Session] = {}

    async def run(self, request: ActionRequest, interrupted: asyncio.Event) -> Result:
        """Carry out one action; once `interrupted` is set, end the command. Raises ToolError."""
        arguments = Arguments(request.arguments, _ARGUMENTS)
        command = arguments.text("command", "")
        is_input = arguments.flag("is_input")
        reset = arguments.flag("reset")
        usual = _SILENCE_SECONDS_AFTER_INPUT if is_input else _SILENCE_SECONDS
        silence = arguments.number("timeout", usual, LONGEST_TIMEOUT)
        name = arguments.text("session", "main")
        if "\0" in command:
            raise ToolError(
                "The command holds a NUL byte, which no shell can take. Write $'\\0' or \\x00 instead."
            )
        session = self._session(request.conversation_id, name)
        if reset:
            session.drive_out()
        if session.is_taken:
            raise ToolError(f"Another action is waiting in the session {name}.")
        async with session.used_by(interrupted):
            if interrupted.is_set():
                return Result("interrupted", [Part("text", "[It was interrupted before it began.]")])
            notes = []
            if reset:
                await session.reset()
                notes.append("The session was reset: everything in it was ended.")
            notes += await _begin(session, command, is_input)
            return await _observe(session, name, silence, interrupted, notes)

    def close(self) -> None:
        for session in self._sessions.values():
            session.close()

    def _session(self, conversation_id: str, name: str) -> Session:
        if not re.fullmatch(SESSION_NAME, name):
            raise ToolError("A session's name has 1 to 32 letters, digits, hyphens and underscores.")
        key = (conversation_id, name)
        if key not in self._sessions:
            if (
                sum(1 for conversation, _ in self._sessions if conversation == conversation_id)
                >= _MOST_SESSIONS
            ):
                raise ToolError(f"There are {_MOST_SESSIONS} sessions already. Use one of them.")
            number = len(self._sessions) + 1
            self._sessions[key] = Session(
                self._children,
                self._data / "sessions" / str(number),
                self._data / "output" / f"{self._prefix}-{name}-{number}",
                str(self._workspace),
                self._environment,
            )
        return self._sessions[key]


async def _begin(session: Session, command: str, is_input: bool) -> list[str]:
    """Start, type or do nothing, as the arguments say; returns what the model should be told of it."""
    key = re.fullmatch(KEY, command.strip())
    if is_input or key:
        if not session.is_running:
            raise ToolError("Nothing is running in this session that could take input.")
        if key is None:
            return await _type(session, command)
        await session.press(key.group(1))
        return []
    if not command.strip():
        return [] if session.is_running else ["No command is running in this session."]
    if session.is_running:
        raise ToolError(f"A command is still running in this session. {_WHAT_TO_DO}")
    was_used = session.started > 0
    is_fresh = session.start(command)
    return ["This ran in a fresh shell; the one before it had ended."] if is_fresh and was_used else []


async def _type(session: Session, text: str) -> list[str]:
    """Type `text` and Enter."""
    data = text.encode().replace(b"\r\n", b"\n")
    longest = max(len(line) for line in data.split(b"\n"))
    if session.takes_lines and longest >= LONGEST_LINE:
        raise ToolError(
            f"A terminal takes lines of up to {LONGEST_LINE:,} bytes; this has one of {longest:,}. "
            "Write it to a file and redirect the program's input from it."
        )
    data = (data if data.endswith(b"\n") else data + b"\n").replace(b"\n", b"\r")
    typed = await session.type(data)
    if typed == len(data):
        return []
    return [
        f"Only the first {typed:,} of {len(data):,} bytes were taken: the program does not read its input."
    ]


async def _observe(
    session: Session, name: str, silence: float, interrupted: asyncio.Event, notes: list[str]
) -> Result:
    """Wait as the action demands and put into words what happened."""
    was_running = session.is_running
    has_ended = await session.wait(silence, interrupted)
    if was_running and not has_ended and interrupted.is_set():
        await session.interrupt()
        has_ended = True
    meta: dict[str, Any] = {
        "session": name,
        "still_running": was_running and not has_ended,
        "exit_code": None,
    }
    output = session.output
    if has_ended:
        meta["seconds"] = round(asyncio.get_running_loop().time() - session.started, 3)
        end, output = await session.finish()
        meta["exit_code"] = end.exit_code
        notes += _end_notes(end)
    elif was_running:
        meta["seconds"] = round(asyncio.get_running_loop().time() - session.started, 3)
        why = f"nothing was printed for {silence:g} s" if session.is_silent else "it prints on and on"
        notes.append(f"The command still runs; {why}. {_WHAT_TO_DO}")
    outcome: Outcome = "ok"
    if interrupted.is_set() and has_ended:
        outcome = "interrupted"
        notes.append("The command was interrupted.")
    seen = output.take()
    if has_ended:
        output.close()
    meta["working_directory"] = session.directory
    meta["truncated"] = seen.omitted > 0
    meta["omitted_characters"] = seen.omitted
    if output.is_in_file:
        meta["output_file"] = str(output.path)
    return Result(outcome, [Part("text", _text(seen, output, notes))], meta)


def _end_notes(end: End) -> list[str]:
    """What `exit_code` among the meta does not say."""
    if not end.shell_ended:
        return []
    if end.had_errexit:
        return [
            f"The shell ended with exit code {end.exit_code} while `set -e` was on. The next command gets "
            "a new one with the same directory, variables and functions."
        ]
    return [
        f"The shell ended with exit code {end.exit_code}. The next command gets a fresh one in the same "
        "directory; variables and functions are gone."
    ]


def _text(seen: Seen, output: Output, notes: list[str]) -> str:
    """What the model reads."""
    text = seen.head
    if seen.omitted:
        where = f"; the whole output is in {output.path}" if output.is_in_file else ""
        text = f"{text}\n\n[{seen.omitted:,} characters are left out here{where}]\n\n{seen.tail}"
    if output.is_cut:
        size = f"its first {FILE_BYTES // 1024**2:,} MB" if output.bytes > FILE_BYTES else "only a part of it"
        notes = [*notes, f"It printed {output.bytes:,} bytes; {size} could be kept in the file."]
    text = text.rstrip("\n")
    return "\n".join(filter(None, [text, *(f"[{note}]" for note in notes)]))
