"""`/api/conversations/{id}/messages`, `/pause`, `/resume`, `/stop`: what a person says to the agent."""

from typing import Any
from uuid import UUID

from ninja import Router, Status

from conversations import services
from conversations.api.requests import ERRORS, ApiRequest
from conversations.api.schemas import EventOut, NewMessage, NewOrder
from conversations.services import PersonalOrder
from conversations.wire import to_wire

router = Router(tags=["orders"])
Created = Status[dict[str, Any]]


@router.post("/{uuid:conversation_id}/messages", response={201: EventOut, **ERRORS})
def send_message(request: ApiRequest, conversation_id: UUID, body: NewMessage) -> Created:
    """The agent reads it next, or goes on because of it where it rests; a paused agent waits for `resume`."""
    event = services.send_message(
        conversation_id=conversation_id, by=request.auth, text=body.text, client_id=body.client_id
    )
    return Status(201, to_wire(event))


@router.post("/{uuid:conversation_id}/pause", response={201: EventOut, **ERRORS})
def pause(request: ApiRequest, conversation_id: UUID, body: NewOrder | None = None) -> Created:
    """After its current action, the agent waits for `resume`."""
    return _give(request, conversation_id, "pause", body)


@router.post("/{uuid:conversation_id}/resume", response={201: EventOut, **ERRORS})
def resume(request: ApiRequest, conversation_id: UUID, body: NewOrder | None = None) -> Created:
    """A paused or stopped agent goes on."""
    return _give(request, conversation_id, "resume", body)


@router.post("/{uuid:conversation_id}/stop", response={201: EventOut, **ERRORS})
def stop(request: ApiRequest, conversation_id: UUID, body: NewOrder | None = None) -> Created:
    """The agent ends what it does, a running command too."""
    return _give(request, conversation_id, "stop", body)


def _give(request: ApiRequest, conversation_id: UUID, order: PersonalOrder, body: NewOrder | None) -> Created:
    event = services.give_order(
        conversation_id=conversation_id,
        by=request.auth,
        order=order,
        client_id=body.client_id if body else None,
    )
    return Status(201, to_wire(event))
