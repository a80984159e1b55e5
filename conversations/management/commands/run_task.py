"""`manage.py run_task "…"`: one task without a page, in this process."""

import json
import signal
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.core.management.base import CommandError, CommandParser

from accounts.errors import AccountError
from accounts.services import find_user
from conversations.errors import RefusedError
from conversations.events import (
    Action,
    AgentStateChanged,
    BlobRef,
    Error,
    Message,
    Observation,
    StartupProgress,
    Text,
    TextPart,
    load,
)
from conversations.headless import HeadlessTask
from conversations.models import Event
from conversations.wire import to_wire
from openhands_site.commands import DatabaseCommand

EXIT_CODES = {"finished": 0, "idle": 0, "limit_reached": 2}  # every other rest is 1


class Command(DatabaseCommand):
    help = (
        "Does one task in a process of its own and prints the events as they come. Exits with 0 when it is finished "
        "or the model answered without a call, 1 on error, stuck or stopped, 2 on a limit. Ctrl-C is Stop."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("task", help="What the agent should do.")
        parser.add_argument("--model", default="", help="The model's name; default: as configured.")
        parser.add_argument("--image", default="", help="The sandbox's image; default: the server's.")
        parser.add_argument(
            "--user", default="", metavar="E-MAIL", help="Whose task it is; default: the first administrator."
        )
        parser.add_argument("--max-budget", default="", metavar="DOLLARS", help="End at this cost.")
        parser.add_argument("--json", action="store_true", help="One JSON object an event and line.")
        parser.add_argument("--keep", action="store_true", help="Leave the sandbox running.")

    def handle(self, *, task: str, **options: Any) -> None:
        try:
            headless = HeadlessTask(
                owner=find_user(options["user"]),
                text=task,
                model=options["model"],
                image=options["image"],
                max_budget=_budget(options["max_budget"]),
            )
        except (AccountError, RefusedError) as error:
            raise CommandError(str(error)) from error
        signal.signal(signal.SIGINT, lambda *_: headless.stop())
        signal.signal(signal.SIGTERM, lambda *_: headless.stop())
        transcript = Transcript()
        try:
            for event in headless.run():
                line = json.dumps(to_wire(event)) if options["json"] else transcript.line(event)
                if line:
                    self.stdout.write(line)
                    self.stdout.flush()
        finally:
            headless.end(keep_sandbox=options["keep"])
        raise SystemExit(EXIT_CODES.get(headless.final_state(), 1))


def _budget(text: str) -> Decimal | None:
    try:
        return Decimal(text) if text else None
    except InvalidOperation:
        raise CommandError(f"--max-budget is {text!r}; give an amount such as 2.50.") from None


class Transcript:
    """Events as text, in order. An observation that does not stand right below its action says which that was."""

    def __init__(self) -> None:
        self._open: dict[UUID, str] = {}
        self._last: UUID | None = None

    def line(self, event: Event) -> str:
        payload, text = load(event.kind, event.payload), _readable(event)
        if isinstance(payload, Action):
            self._open[event.pk] = _call(payload).partition("\n")[0]
        if isinstance(payload, Observation):
            action = self._open.pop(payload.action_id, "")
            if payload.action_id != self._last:
                text = f"{action}\n{text}"
        self._last = event.pk
        return text


def _readable(event: Event) -> str:
    match load(event.kind, event.payload):
        case Message(text=text):
            return f"{event.source}: {_short(text)}"
        case Action(thought=thought) as action:
            return f"agent: {_short(thought)}\n{_call(action)}" if thought else _call(action)
        case Observation(outcome=outcome, content=content, meta=meta):
            text = "\n".join(_short(part.text) for part in content if isinstance(part, TextPart))
            code = meta.get("exit_code")
            return f"  {outcome}{'' if code is None else f', exit code {code}'}\n{_indented(text)}".rstrip()
        case AgentStateChanged(state=state, reason=reason):
            return f"[{state}] {reason}".rstrip()
        case StartupProgress(phase=phase, milliseconds=milliseconds, detail=detail):
            return f"[sandbox {phase}, {milliseconds} ms] {detail}".rstrip()
        case Error(message=message):
            return f"error: {message}"
        case _:
            return ""


def _call(action: Action) -> str:
    given = (action.raw_arguments or "") if action.arguments is None else _summary(action.arguments)
    return f"{action.tool}: {_short(given)}"


def _summary(arguments: dict[str, Any] | BlobRef) -> Text:
    if isinstance(arguments, dict):
        text = arguments.get("command") or arguments.get("thought") or arguments.get("message")
        path = arguments.get("path")
        return f"{text} {path}" if path else str(text or json.dumps(arguments))
    return arguments


def _short(text: Text, limit: int = 4000) -> str:
    whole = text.head if isinstance(text, BlobRef) else text
    return whole if len(whole) <= limit else f"{whole[:limit]}…"


def _indented(text: str) -> str:
    return "\n".join(f"  | {line}" for line in text.splitlines())
