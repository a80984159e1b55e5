"""What a client may say on a socket, and what it is answered."""

import json
from typing import Annotated, Any, Literal
from uuid import UUID

from django.conf import settings
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from conversations.errors import RefusedError

REASON_LIMIT = 300
DEFECT = "Something went wrong on the server; its log says what."


class _Strict(BaseModel):
    """A misspelt field is an error, not a wish that nobody hears."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MessageFrame(_Strict):
    type: Literal["message"]
    client_id: UUID
    text: str


class OrderFrame(_Strict):
    type: Literal["pause", "resume", "stop"]
    client_id: UUID


class SeenFrame(_Strict):
    type: Literal["seen"]
    sequence: int = Field(ge=0)


ClientFrame = Annotated[MessageFrame | OrderFrame | SeenFrame, Field(discriminator="type")]
_frames: TypeAdapter[ClientFrame] = TypeAdapter(ClientFrame)


class BadFrameError(RefusedError):
    """It is no frame of ours; `client_id` is what it gave as its own, where that can be told."""

    code = "invalid"

    def __init__(self, message: str, *, client_id: str | None = None, code: str = "invalid") -> None:
        super().__init__(message)
        self.client_id = client_id
        self.code = code


def parse(text: str) -> ClientFrame:
    """Raises BadFrameError for everything that is not a client's frame. It may be as long as the body of a request."""
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    if len(text) > limit:
        raise BadFrameError(f"A frame has up to {limit:,} characters.", code="too_large")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise BadFrameError("This is not JSON.") from None
    try:
        return _frames.validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"][1:])
        reason = f"{where}: {first['msg']}" if where else first["msg"]
        raise BadFrameError(reason[:REASON_LIMIT], client_id=_client_id(data)) from None


def _client_id(data: object) -> str | None:
    given = data.get("client_id") if isinstance(data, dict) else None
    return given if isinstance(given, str) and len(given) <= 64 else None


def ack(client_id: UUID, sequence: int) -> str:
    """The message or order is committed, as the event with this sequence."""
    return json.dumps({"type": "ack", "client_id": str(client_id), "sequence": sequence})


def error(
    code: str, message: str, *, client_id: object = None, field: str = "", retryable: bool = False
) -> str:
    """`retryable`: the same frame, with the same client_id, can succeed in a moment."""
    frame: dict[str, Any] = {"type": "error", "code": code, "message": message}
    if retryable:
        frame["retryable"] = True
    if client_id is not None:
        frame["client_id"] = str(client_id)
    if field:
        frame["field"] = field
    return json.dumps(frame)
