"""`scripted/demo`, the model of a server that has no model: it does what a task spells out, and says what it is.

It carries out the fenced bash blocks of the last message that has any, one a reply, and reports their exit codes;
for a message without one it writes and runs a small program. What it answers is a function of the request alone.
"""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from conversations.llm.base import Channel, Delta, ModelChoice, OnDelta, Reply, Request, ToolCall, Usage

_BLOCK = re.compile(
    r"^ {0,3}(?P<fence>`{3,}|~{3,})[ \t]*(?:bash|sh|shell)\b[^\n]*\n(?P<code>.*?)(?:^ {0,3}(?P=fence)|\Z)",
    re.MULTILINE | re.DOTALL,
)
_EXIT = re.compile(r"\[exit code (-?\d+); directory [^\n]*\]\s*\Z")
_PIECE = 48
# What runs on without a word is read on this often, each time for this many seconds, and then interrupted.
_READS = 6
_PATIENCE = 600
_PROGRAM = "stand_in.py"
_INTRODUCTION = (
    "I am a stand-in, not a language model: I run the `bash` blocks of a message as they are. To connect a real "
    "model, name it with its key under Settings, or start the server with `LLM_MODEL` and `LLM_API_KEY`."
)


def create(choice: ModelChoice) -> "ScriptedModel":
    """The factory for the prefix `scripted`."""
    return ScriptedModel(choice.name)


class ScriptedModel:
    def __init__(self, name: str) -> None:
        self.name = self.route = name

    async def complete(self, request: Request, on_delta: OnDelta) -> Reply:
        started = time.monotonic()
        text, calls = _answer(request.messages)
        channels: list[tuple[Channel, int, str]] = [("text", 0, text)]
        channels += [("arguments", index, call.arguments) for index, call in enumerate(calls)]
        for channel, index, whole in channels:
            for offset in range(0, len(whole), _PIECE):
                on_delta(Delta(1, channel, index, offset, whole[offset : offset + _PIECE]))
                await asyncio.sleep(0)
        read = sum(len(str(message.get("content"))) for message in request.messages)
        written = sum(len(whole) for _, _, whole in channels)
        usage = Usage(read // 4, 0, written // 4, Decimal(0))
        return Reply(text, tuple(calls), usage=usage, latency_ms=round((time.monotonic() - started) * 1000))


@dataclass(frozen=True)
class _Step:
    """A call that was made, with what came of it; `result` is None while it has no answer."""

    tool: str
    arguments: dict[str, Any]
    result: str | None


@dataclass(frozen=True)
class _Ran:
    """How one command ended: an exit code, or a word where there is none."""

    command: str
    end: str
    output: str


def _answer(messages: list[dict[str, Any]]) -> tuple[str, list[ToolCall]]:
    """The next reply's text and calls."""
    place, task = _task(messages)
    if task is None:
        return f"Nothing is left to do. {_INTRODUCTION}", []
    steps = list(_steps(messages[place + 1 :]))
    commands = _commands(task)
    text, calls = _carry_out(commands, steps) if commands else _show_a_program(task, steps)
    named = [
        ToolCall(f"scripted_{len(messages)}_{index}", tool, json.dumps(arguments))
        for index, (tool, arguments) in enumerate(calls)
    ]
    return text, named


def _task(messages: list[dict[str, Any]]) -> tuple[int, str | None]:
    """Where the last message stands that says what to do since the last `finish`, and its text."""
    said: list[tuple[int, str]] = []
    for place, message in enumerate(messages):
        content = message.get("content")
        if message["role"] == "user" and isinstance(content, str):
            said.append((place, content))
        elif any(call["function"]["name"] == "finish" for call in message.get("tool_calls") or ()):
            said.clear()
    with_commands = [each for each in said if _commands(each[1])]
    candidates = with_commands or said
    return candidates[-1] if candidates else (0, None)


def _commands(task: str) -> list[str]:
    return [code for match in _BLOCK.finditer(task) if (code := match["code"].strip("\n")).strip()]


def _steps(messages: list[dict[str, Any]]) -> Iterator[_Step]:
    results = {
        message["tool_call_id"]: str(message.get("content") or "")
        for message in messages
        if message["role"] == "tool"
    }
    for message in messages:
        for call in message.get("tool_calls") or ():
            arguments = json.loads(call["function"]["arguments"])
            yield _Step(call["function"]["name"], arguments, results.get(call["id"]))


_Calls = list[tuple[str, dict[str, Any]]]


def _carry_out(commands: list[str], steps: list[_Step]) -> tuple[str, _Calls]:
    if len(commands) > 1 and not any(step.tool == "task_tracker" for step in steps):
        return f"I run these {len(commands)} commands one by one.", [_tracker(commands, [])]
    ran, waiting = _ran(steps)
    if waiting:
        return waiting
    if len(ran) < len(commands):
        return f"Command {len(ran) + 1} of {len(commands)}.", [("terminal", {"command": commands[len(ran)]})]
    done: _Calls = [_tracker(commands, ran)] if len(commands) > 1 else []
    return "", [*done, ("finish", {"message": _report(ran)})]


def _show_a_program(task: str, steps: list[_Step]) -> tuple[str, _Calls]:
    program = _program(task)
    if not any(step.tool == "file_editor" for step in steps):
        return (
            "There is no `bash` block in this message, so I write a small program about it.",
            [("file_editor", {"command": "create", "path": _PROGRAM, "file_text": program})],
        )
    ran, waiting = _ran(steps)
    if waiting:
        return waiting
    if not ran:
        return "Now I run it.", [("terminal", {"command": f"python3 {_PROGRAM}"})]
    [run] = ran[:1]
    ended = f"exit code {run.end}" if run.end.lstrip("-").isdigit() else run.end
    message = (
        f"I wrote `{_PROGRAM}` and ran it ({ended}).\n\n{_fenced(program, 'python')}\n\nIt printed:\n\n"
        f"{_fenced(run.output, 'text')}\n\n{_INTRODUCTION} For example:\n\n```bash\nls -la\n```"
    )
    return "", [("finish", {"message": message})]


def _ran(steps: list[_Step]) -> tuple[list[_Ran], tuple[str, _Calls] | None]:
    """The commands that were run, and the next reply where the last of them still runs."""
    ran: list[_Ran] = []
    reads = 0
    for step in steps:
        if step.tool != "terminal":
            continue
        is_new = bool(step.arguments.get("command")) and not step.arguments.get("is_input")
        result = step.result or ""
        if is_new:
            reads = 0
            ran.append(_Ran(step.arguments["command"], _end(result), _output(result)))
        elif ran:
            reads += 1
            ran[-1] = _Ran(ran[-1].command, _end(result), ran[-1].output + _output(result))
    if not ran or ran[-1].end != "still running":
        return ran, None
    if reads < _READS:
        return ran, ("It still runs: I read on.", [("terminal", {"command": "", "timeout": _PATIENCE})])
    if reads == _READS:
        return ran, ("It does not end: I interrupt it.", [("terminal", {"command": "C-c", "is_input": True})])
    return ran, None


def _end(result: str) -> str:
    if "[Interrupted before it ended.]" in result:
        return "interrupted"
    if "[The result is lost:" in result:
        return "lost"
    if match := _EXIT.search(result):
        return match[1]
    return "still running" if "The command still runs" in result else "not run"


def _output(result: str) -> str:
    return _EXIT.sub("", result).rstrip("\n")


def _tracker(commands: list[str], ran: list[_Ran]) -> tuple[str, dict[str, Any]]:
    """At the beginning the first one is in progress, at the end all are done."""
    statuses = ["done"] * len(ran) + ["in_progress"] + ["todo"] * len(commands)
    tasks = [
        {"title": _title(command), "status": status}
        for command, status in zip(commands, statuses, strict=False)
    ]
    return "task_tracker", {"tasks": tasks}


def _title(command: str, longest: int = 72) -> str:
    first, _, rest = command.strip().partition("\n")
    title = first if len(first) <= longest else f"{first[:longest]}…"
    return f"{title} (and {rest.count(chr(10)) + 1} more lines)" if rest else title


def _report(ran: list[_Ran]) -> str:
    counts = Counter(run.end == "0" for run in ran)
    rows = [f"| {number} | {_cell(run.command)} | {run.end} |" for number, run in enumerate(ran, 1)]
    table = "\n".join(["| # | Command | Exit code |", "|--:|---|--:|", *rows])
    return f"{counts[True]} of {len(ran)} commands ended with exit code 0.\n\n{table}\n\n{_INTRODUCTION}"


def _cell(command: str) -> str:
    """A command's first line as code in a table's cell."""
    title = _title(command).replace("|", "\\|")
    ticks = "`" * (max((len(run) for run in re.findall("`+", title)), default=0) + 1)
    padding = " " if "`" in title else ""
    return f"{ticks}{padding}{title}{padding}{ticks}"


def _fenced(text: str, language: str) -> str:
    fence = "`" * max(3, max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _program(task: str) -> str:
    """It greets with the task's words; `!a` makes a literal of whatever they are."""
    return f'''\
"""Counts the words of the task that it was written for."""

from collections import Counter

TASK = {" ".join(task.split())[:600]!a}

words = [word.strip(".,:;!?()[]").lower() for word in TASK.split()]
words = [word for word in words if word]
print(f"Hello! Your task has {{len(words)}} words. Most often it says:")
for word, count in Counter(words).most_common(5):
    print(f"  {{count:>3}} x {{word}}")
'''
