"""`/api/conversations`: start, list, read, rename and delete."""

from typing import Annotated
from uuid import UUID

from ninja import Header, Query, Router, Status

from conversations import cursors, services
from conversations.api.requests import ERRORS, ApiRequest, find, present
from conversations.api.schemas import ConversationOut, ConversationPage, NewConversation, NewTitle
from conversations.errors import InvalidInputError
from conversations.models import Conversation

router = Router(tags=["conversations"])
IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", min_length=1, max_length=200, pattern=r"^[\x21-\x7e]+$")
]


@router.post("", response={201: ConversationOut, **ERRORS})
def start_conversation(
    request: ApiRequest,
    body: NewConversation,
    idempotency_key: IdempotencyKey = None,
) -> Status[ConversationOut]:
    """Starts an agent on the message. With an `Idempotency-Key`, the same again is the same conversation."""
    try:
        conversation = services.start_conversation(
            owner=request.auth,
            text=body.initial_message,
            title=body.title,
            model=body.model,
            image=body.image,
            max_steps=body.max_steps,
            max_budget=body.max_budget,
            idempotency_key=idempotency_key,
        )
    except InvalidInputError as error:
        field = "initial_message" if error.field == "text" else error.field
        raise InvalidInputError(error.message, field=field) from error
    return Status(201, present(request, conversation))


@router.get("", response={200: ConversationPage, **ERRORS})
def list_conversations(
    request: ApiRequest,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str, Query(max_length=200)] = "",
) -> ConversationPage:
    """Yours, the latest changed first."""
    rows = Conversation.objects.visible_to(request.auth).select_related("sandbox")
    items, following = cursors.page(rows, cursor, limit)
    return ConversationPage(
        items=[present(request, conversation) for conversation in items], next=following or None
    )


@router.get("/{uuid:conversation_id}", response={200: ConversationOut, **ERRORS})
def read_conversation(request: ApiRequest, conversation_id: UUID) -> ConversationOut:
    return present(request, find(request, conversation_id))


@router.patch("/{uuid:conversation_id}", response={200: ConversationOut, **ERRORS})
def rename_conversation(request: ApiRequest, conversation_id: UUID, body: NewTitle) -> ConversationOut:
    services.rename_conversation(conversation_id=conversation_id, by=request.auth, title=body.title)
    return present(request, find(request, conversation_id))


@router.delete("/{uuid:conversation_id}", response={204: None, **ERRORS})
def delete_conversation(request: ApiRequest, conversation_id: UUID) -> Status[None]:
    """Removes the conversation, its log and its sandbox."""
    services.delete_conversation(conversation_id=conversation_id, by=request.auth)
    return Status(204, None)
