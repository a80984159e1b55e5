"""What the REST API takes and gives. A field that it does not know is refused: a misspelt limit is no limit."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field


class _Body(Schema):
    model_config = ConfigDict(extra="forbid")


class NewConversation(_Body):
    initial_message: str = Field(description="What the agent should do; up to 1,000,000 characters.")
    title: str = Field("", description="Made from the message where it is empty.")
    model: str = Field("", description="Your own default where it is empty, else the server's.")
    image: str = Field("", description="What is in its sandbox, where the server allows a choice.")
    max_budget: Decimal | None = Field(None, description="US dollars that it may spend.")
    max_steps: int | None = Field(None, description="Steps that the agent may take.")


class NewTitle(_Body):
    title: str


class NewMessage(_Body):
    text: str
    client_id: UUID | None = Field(None, description="Becomes the event's id: sent twice, it is one event.")


class NewOrder(_Body):
    client_id: UUID | None = Field(None, description="Becomes the event's id: sent twice, it is one event.")


class ConversationOut(Schema):
    id: UUID
    title: str
    agent_state: str
    sandbox_state: str | None = Field(description="Null where there is no sandbox.")
    last_sequence: int
    url: str
    events_url: str


class EventOut(Schema):
    """One line of a conversation's log, the same over REST and sockets."""

    sequence: int
    id: UUID
    kind: str
    source: str
    payload: dict[str, Any]
    created_at: str


class ConversationPage(Schema):
    items: list[ConversationOut]
    next: str | None = Field(description="The `cursor` of the next page, null on the last.")


class EventPage(Schema):
    items: list[EventOut]
    next: int | None = Field(description="The `after` of the next page, null on the last.")


class ErrorDetail(Schema):
    code: str
    message: str
    field: str | None = None
    retryable: bool | None = None


class ErrorOut(Schema):
    error: ErrorDetail
