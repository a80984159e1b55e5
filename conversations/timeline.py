"""The event log of a conversation, and the only writer of it.

Everything that happens to a conversation goes through `write`, under the conversation's row lock, or through `extend`,
whose update is the lock: they number the events, keep the columns that repeat the log in step, and tell on commit that
the log has grown.
"""

import json
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import BigIntegerField, UUIDField
from django.utils import timezone

from conversations import blobs
from conversations.events import (
    AgentStateChanged,
    Control,
    Payload,
    Source,
    TitleChanged,
    dump,
)
from conversations.models import Conversation, Event
from conversations.states import AgentState, check_transition
from openhands_site import hints, redis_client
from openhands_site.prepared import Parameter, PreparedInsert, PreparedRead, PreparedUpdate

TASK = "conversations.tasks.run_agent"
PAYLOAD_LIMIT = 64 * 1024  # bytes of JSON
_CHANGES_THE_ROW = AgentStateChanged | TitleChanged | Control  # beyond that the log has grown
# Where a payload's long texts stand; these may be moved to a blob.
LONG_FIELDS = {
    "message": ("text",),
    "action": ("arguments", "raw_arguments", "thought"),
    "condensation": ("summary",),
    "system_prompt": ("text",),
}
_THIS = Conversation.objects.filter(pk=Parameter("id", UUIDField()))
_lock = PreparedRead(_THIS.select_for_update)
_update = PreparedUpdate(
    lambda: _THIS,
    "last_sequence",
    "last_order_sequence",
    "agent_state",
    "title",
    "updated_at",
    "due_since",
    "lease_worker",
    "lease_fence",
)
_grow = PreparedUpdate(
    lambda: _THIS.filter(
        lease_fence=Parameter("fence", BigIntegerField()), last_sequence=Parameter("after", BigIntegerField())
    ),
    "last_sequence",
    "updated_at",
)
_insert = PreparedInsert(Event, "id", "conversation", "sequence", "kind", "source", "payload", "created_at")


class LeaseLostError(Exception):
    """The writer's fence is old: another worker, or a service, has taken the conversation over."""


class PayloadTooLargeError(Exception):
    """An event that does not fit a row even with its texts moved to blobs: a defect of its maker's."""


@dataclass(frozen=True)
class Draft:
    """An event before it has its place in the log."""

    payload: Payload
    source: Source
    id: UUID = field(default_factory=uuid.uuid4)


def lock(conversation_id: UUID, *, fence: int | None = None) -> Conversation:
    """The conversation's row, locked until the transaction ends. Call it inside `atomic`.

    Raises LeaseLostError where `fence` is given and no longer the row's; Conversation.DoesNotExist.
    """
    found: list[Conversation] = _lock.objects(id=conversation_id)
    if not found:
        raise Conversation.DoesNotExist
    conversation = found[0]
    if fence is not None and conversation.lease_fence != fence:
        raise LeaseLostError(f"fence {fence} of conversation {conversation_id} is old")
    return conversation


def write(conversation: Conversation, *drafts: Draft, wake: bool = False) -> list[Event]:
    """Appends to the log of a locked conversation. `wake` says that the agent must read it: work is due."""
    now = timezone.now()
    events = [_place(conversation, draft, now) for draft in drafts]
    for event in events:
        _insert.send(event)
    conversation.updated_at = now
    if wake and conversation.due_since is None:
        conversation.due_since = now
    _update.send(**vars(conversation))
    ordered = any(isinstance(draft.payload, Control) for draft in drafts)
    _tell_on_commit(conversation.pk, conversation.last_sequence, ordered=ordered, wake=wake)
    return events


def append(
    conversation_id: UUID, *drafts: Draft, fence: int | None = None, wake: bool = False
) -> list[Event]:
    """`lock` and `write` in one transaction."""
    with transaction.atomic():
        return write(lock(conversation_id, fence=fence), *drafts, wake=wake)


def extend(
    conversation_id: UUID, drafts: Sequence[Draft], *, fence: int, after: int, also: Callable[[], object]
) -> list[Event] | None:
    """Appends for the holder of the lease, who has read the log up to `after`, without a look at the row before: that
    fence and last event are those is the condition of its update. `also` runs in the same transaction, may write rows,
    and is not called otherwise.

    Returns None, with nothing stored, where the fence or the last event is another, which `lock` would tell, or where
    the events need more than that: a change of state, or a blob.
    """
    if any(isinstance(draft.payload, _CHANGES_THE_ROW) for draft in drafts):
        return None
    now = timezone.now()
    events = []
    for sequence, draft in enumerate(drafts, after + 1):
        payload, excess = _measured(dump(draft.payload))
        if excess > 0:
            return None
        events.append(_event(conversation_id, sequence, draft, payload, now))
    last = after + len(events)
    with transaction.atomic(durable=True):
        if not _grow.count(id=conversation_id, fence=fence, after=after, last_sequence=last, updated_at=now):
            return None
        for event in events:
            _insert.send(event)
        _tell_on_commit(conversation_id, last)
        also()
    return events


def after(conversation_id: UUID, sequence: int) -> list[Event]:
    """In order, what the log holds beyond `sequence`."""
    return list(Event.objects.filter(conversation_id=conversation_id).after(sequence))


def _place(conversation: Conversation, draft: Draft, now: datetime) -> Event:
    conversation.last_sequence += 1
    payload = draft.payload
    if isinstance(payload, AgentStateChanged):
        check_transition(conversation.agent_state, payload.state)
        conversation.agent_state = AgentState(payload.state)
    elif isinstance(payload, TitleChanged):
        conversation.title = payload.title
    elif isinstance(payload, Control):
        conversation.last_order_sequence = conversation.last_sequence
    stored = fit(conversation.pk, payload.kind, dump(payload))
    return _event(conversation.pk, conversation.last_sequence, draft, stored, now)


def _event(
    conversation_id: UUID, sequence: int, draft: Draft, payload: dict[str, Any], now: datetime
) -> Event:
    return Event(
        id=draft.id,
        conversation_id=conversation_id,
        sequence=sequence,
        kind=draft.payload.kind,
        source=draft.source,
        payload=payload,
        created_at=now,
    )


def fit(conversation_id: UUID, kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    """The payload within PAYLOAD_LIMIT: its longest texts become blobs, the longest first."""
    payload, excess = _measured(payload)
    for holder, key in sorted(_long_texts(kind, payload), key=_length, reverse=True):
        if excess <= 0:
            break
        holder[key] = _to_blob(conversation_id, holder[key])
        excess = len(json.dumps(payload)) - PAYLOAD_LIMIT
    if excess > 0:
        raise PayloadTooLargeError(f"a {kind} event is {excess} bytes over {PAYLOAD_LIMIT}")
    return payload


def _measured(payload: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """The payload, and how far it is beyond PAYLOAD_LIMIT.

    What no database takes into JSON is replaced: a NUL, and halves of surrogate pairs, which models and commands do
    produce.
    """
    encoded = json.dumps(payload)
    if "\\u0000" in encoded or "\\ud" in encoded:
        payload = _storable(payload)
    return payload, len(encoded) - PAYLOAD_LIMIT


def is_storable(text: str) -> bool:
    return bool(_storable(text) == text)


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_storable(item) for item in value]
    return value


def _long_texts(kind: str, payload: dict[str, Any]) -> Iterable[tuple[dict[str, Any], str]]:
    yield from ((payload, name) for name in LONG_FIELDS.get(kind, ()) if name in payload)
    yield from ((part, "text") for part in payload.get("content", ()) if part["type"] == "text")


def _length(slot: tuple[dict[str, Any], str]) -> int:
    holder, key = slot
    return len(json.dumps(holder[key]))


def _to_blob(conversation_id: UUID, value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        data, media_type = value.encode(), "text/plain"
    else:
        data, media_type = json.dumps(value).encode(), "application/json"
    return blobs.store(conversation_id, data, media_type).model_dump(mode="json")


def _tell_on_commit(
    conversation_id: UUID, sequence: int, *, ordered: bool = False, wake: bool = False
) -> None:
    def tell() -> None:
        hints.publish(redis_client.events_channel(conversation_id), json.dumps({"at": sequence}))
        if ordered:
            hints.publish(redis_client.orders_channel(), str(conversation_id))
        if wake:
            hints.enqueue(TASK, str(conversation_id))

    transaction.on_commit(tell)


def same_payload(event: Event, payload: Payload) -> bool:
    """Whether the stored event says the same as `payload` would."""
    return event.kind == payload.kind and event.payload == fit(
        event.conversation_id, payload.kind, dump(payload)
    )
