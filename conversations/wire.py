"""The JSON in which events and a conversation's state travel to clients, over REST and sockets alike.

The payload's column holds JSON already, so it is passed on as text: a long log is sent without a model instance or
a dictionary made of it.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import (
    BigIntegerField,
    BooleanField,
    Case,
    Exists,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    UUIDField,
    Value,
    When,
)
from django.db.models.functions import Cast

from conversations.llm import usage
from conversations.models import Conversation, Event
from openhands_site.prepared import Parameter, PreparedRead
from openhands_site.workers.models import Worker
from sandboxes.models import Runtime

FRAME_EVENTS = 200
FRAME_CHARACTERS = 1_000_000
_ROW = ("sequence", "id", "kind", "source", "json", "created_at")


@dataclass(frozen=True)
class Line:
    """One event as JSON text."""

    sequence: int
    json: str
    kind: str = ""


@dataclass(frozen=True)
class Frame:
    """Events that follow one another, as the text of one socket message. `size` is its length in bytes."""

    last: int
    events: int
    size: int
    text: str


@dataclass(frozen=True)
class Status:
    """A conversation as its rows say it is now; `text` is the socket message that tells it."""

    last_sequence: int
    text: str


@dataclass(frozen=True)
class Page:
    """What one read found: frames after a cursor and, with the end of the log reached, status and usage.

    `status` is None where more follows, `usage` empty where nothing was spent; `gone` says that there is no such
    conversation any more.
    """

    frames: tuple[Frame, ...]
    status: Status | None = None
    usage: str = ""
    gone: bool = False


def to_wire(event: Event) -> dict[str, Any]:
    """The event as clients know it."""
    return {
        "sequence": event.sequence,
        "id": str(event.pk),
        "kind": event.kind,
        "source": event.source,
        "payload": event.payload,
        "created_at": timestamp(event.created_at),
    }


def with_html(event: Event) -> dict[str, Any]:
    """The same, with the HTML that stands for it on the page."""
    from conversations.rendering.events import render_event

    return {**to_wire(event), "html": render_event(event)}


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds and `Z`."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def lines_after(conversation_id: UUID, after: int, *, html: bool = False) -> list[Line]:
    """Up to FRAME_EVENTS events after sequence `after`, in order."""
    if html:
        events = _events_after.objects(conversation_id=conversation_id, after=after)
        return [Line(event.sequence, json.dumps(with_html(event)), event.kind) for event in events]
    return [_line(*row) for row in _rows_after.rows(conversation_id=conversation_id, after=after)]


def _after() -> "QuerySet[Event]":
    events = Event.objects.filter(conversation_id=Parameter("conversation_id", UUIDField()))
    return events.after(Parameter("after", BigIntegerField()))


_events_after = PreparedRead(lambda: _after()[:FRAME_EVENTS])
_rows_after = PreparedRead(
    lambda: _after().annotate(json=Cast("payload", TextField())).values_list(*_ROW)[:FRAME_EVENTS]
)


def _line(sequence: int, pk: UUID, kind: str, source: str, payload: str, created_at: datetime) -> Line:
    return Line(
        sequence,
        f'{{"sequence":{sequence},"id":"{pk}","kind":"{kind}","source":"{source}",'
        f'"payload":{payload},"created_at":"{timestamp(created_at)}"}}',
        kind,
    )


def frames(lines: Iterable[Line]) -> Iterator[Frame]:
    """The lines in frames of FRAME_EVENTS at most, and of about FRAME_CHARACTERS."""
    held: list[Line] = []
    length = 0
    for line in lines:
        if held and (len(held) == FRAME_EVENTS or length + len(line.json) > FRAME_CHARACTERS):
            yield _frame(held)
            held, length = [], 0
        held.append(line)
        length += len(line.json)
    if held:
        yield _frame(held)


def _frame(lines: list[Line]) -> Frame:
    text = f'{{"type":"events","events":[{",".join(line.json for line in lines)}]}}'
    return Frame(lines[-1].sequence, len(lines), len(text.encode(errors="surrogatepass")), text)


def read_page(conversation_id: UUID, after: int, html: bool) -> Page:
    """One read for a socket whose cursor is `after`."""
    lines = lines_after(conversation_id, after, html=html)
    found = tuple(frames(lines))
    if len(lines) == FRAME_EVENTS:
        return Page(found)
    status = status_of(conversation_id)
    if status is None:
        return Page((), gone=True)
    # An observation costs nothing, and the sum grows with the calls: 0.3 ms at 1,000.
    is_free = bool(lines) and all(line.kind == "observation" for line in lines)
    return Page(found, status, "" if is_free else usage_frame(conversation_id))


def statuses(conversation_ids: Iterable[UUID]) -> dict[UUID, Status]:
    """The state of those of the conversations that are there, in one query."""
    rows = _states().filter(pk__in=list(conversation_ids))
    return {row[0]: _status(*row[1:]) for row in rows}


def status_of(conversation_id: UUID) -> Status | None:
    """The state of one, None where it is not there."""
    rows = _state.rows(id=conversation_id)
    return _status(*rows[0][1:]) if rows else None


def _states() -> "QuerySet[Conversation, tuple[Any, ...]]":
    held = Exists(Worker.objects.live().filter(pk=OuterRef("lease_worker_id")))
    isolation = Runtime.objects.filter(sandbox=OuterRef("sandbox_id"), ended_at=None).values("isolation")
    rows = Conversation.objects.annotate(
        queued=Case(
            When(Q(due_since__isnull=False) & ~held, then=Value(True)),
            default=Value(False),
            output_field=BooleanField(),
        ),
        isolation=Subquery(isolation[:1]),
    )
    fields = ("id", "last_sequence", "agent_state", "sandbox__state", "isolation", "queued", "title")
    return rows.values_list(*fields)


_state = PreparedRead(lambda: _states().filter(pk=Parameter("id", UUIDField())))


def _status(
    last_sequence: int, agent_state: str, sandbox_state: str, isolation: str, queued: bool, title: str
) -> Status:
    frame = {
        "type": "status",
        "agent_state": agent_state,
        "sandbox_state": sandbox_state,
        "isolation": isolation,
        "queued": queued,
        "title": title,
    }
    return Status(last_sequence, json.dumps(frame))


def usage_frame(conversation_id: UUID) -> str:
    """What the conversation has spent; `cost` is null where nothing of it is known."""
    spent = usage.spend(conversation_id)
    frame = {
        "type": "usage",
        "cost": None if spent.cost is None else float(spent.cost),
        "unpriced_calls": spent.unpriced_calls,
        "prompt_tokens": spent.prompt_tokens,
        "completion_tokens": spent.completion_tokens,
        "calls": spent.calls,
    }
    return json.dumps(frame)
