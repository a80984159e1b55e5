"""The JSON in which events and a conversation's state travel to clients, over REST and sockets alike.

The payload's column holds JSON already, so it is passed on as text: a long log is sent without a model instance or
a dictionary made of it.
"""

import itertools
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db.models import (
    BigIntegerField,
    BooleanField,
    Case,
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

from conversations.models import Conversation, Event
from conversations.rendering.events import render_event
from openhands_site.prepared import Parameter, PreparedRead, rows_of
from openhands_site.workers.models import is_live
from sandboxes.models import Runtime

EVENTS_A_READ = 200
_ROW = ("sequence", "id", "kind", "source", "json", "created_at")


@dataclass(frozen=True)
class Line:
    """One event as JSON text."""

    sequence: int
    json: str
    kind: str


@dataclass(frozen=True)
class Status:
    """A conversation as its rows say it is now; `isolation` and `sandbox_state` are null without a sandbox."""

    last_sequence: int
    agent_state: str
    sandbox_state: str | None
    isolation: str | None
    queued: bool
    title: str

    @cached_property
    def text(self) -> str:
        """The socket message that tells it, made once for all sockets."""
        frame = {
            "type": "status",
            "agent_state": self.agent_state,
            "sandbox_state": self.sandbox_state,
            "isolation": self.isolation,
            "queued": self.queued,
            "title": self.title,
        }
        return json.dumps(frame)


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
    return {**to_wire(event), "html": render_event(event)}


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with microseconds and `Z`."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def lines_after(conversation_id: UUID, after: int) -> list[Line]:
    """Up to EVENTS_A_READ events after sequence `after`, in order."""
    return [_line(*row) for row in _rows_after.rows(conversation_id=conversation_id, after=after)]


def status_and_lines(conversation_id: UUID, after: int, *, html: bool) -> tuple[Status | None, list[Line]]:
    """How things stand, None where there is no such conversation, and the lines after sequence `after`, of which the
    last may have come since."""
    given = {"conversation_id": conversation_id, "after": after}
    read = _events_after if html else _rows_after
    states, rows = rows_of((_state, {"id": conversation_id}), (read, given))
    lines = map(_line_with_html, _events_after.made_of(rows)) if html else itertools.starmap(_line, rows)
    return _status(states), list(lines)


def _after() -> "QuerySet[Event]":
    events = Event.objects.filter(conversation_id=Parameter("conversation_id", UUIDField()))
    return events.after(Parameter("after", BigIntegerField()))


_events_after = PreparedRead(lambda: _after()[:EVENTS_A_READ])
_rows_after = PreparedRead(
    lambda: _after().annotate(json=Cast("payload", TextField())).values_list(*_ROW)[:EVENTS_A_READ]
)


def _line(sequence: int, pk: UUID, kind: str, source: str, payload: str, created_at: datetime) -> Line:
    """As `to_wire` has it, without the payload parsed and dumped: 10,000 take 0.02 s and not 0.10."""
    return Line(
        sequence,
        f'{{"sequence":{sequence},"id":"{pk}","kind":"{kind}","source":"{source}",'
        f'"payload":{payload},"created_at":"{timestamp(created_at)}"}}',
        kind,
    )


def _line_with_html(event: Event) -> Line:
    return Line(event.sequence, json.dumps(with_html(event)), event.kind)


def statuses(conversation_ids: Iterable[UUID]) -> dict[UUID, Status]:
    """The state of those of the conversations that are there, in one query."""
    rows = _states().filter(pk__in=list(conversation_ids))
    return {row[0]: Status(*row[1:]) for row in rows}


def status_of(conversation_id: UUID) -> Status | None:
    """The state of one, None where it is not there."""
    return _status(_state.rows(id=conversation_id))


def _status(rows: Sequence[tuple[Any, ...]]) -> Status | None:
    return Status(*rows[0][1:]) if rows else None


def _states() -> "QuerySet[Conversation, tuple[Any, ...]]":
    isolation = Runtime.objects.filter(sandbox=OuterRef("sandbox_id"), ended_at=None).values("isolation")
    rows = Conversation.objects.annotate(
        queued=Case(
            When(Q(due_since__isnull=False) & ~is_live("lease_worker__"), then=Value(True)),
            default=Value(False),
            output_field=BooleanField(),
        ),
        isolation=Subquery(isolation[:1]),
    )
    fields = ("id", "last_sequence", "agent_state", "sandbox__state", "isolation", "queued", "title")
    return rows.values_list(*fields)


_state = PreparedRead(lambda: _states().filter(pk=Parameter("id", UUIDField())))
