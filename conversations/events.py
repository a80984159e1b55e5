"""The vocabulary of the event log: every kind of event, as one discriminated union. No Django here.

A payload is what the `Event` row stores. It carries a version `v`, and an old row must always load: a new
field has a default, and a field is never renamed. Text that is too long for a row is a `BlobRef`.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

Source = Literal["user", "agent", "sandbox", "system"]
Order = Literal["pause", "resume", "stop", "approve", "reject", "condense"]
Outcome = Literal["ok", "error", "interrupted", "lost"]
AgentState = Literal[
    "starting",
    "idle",
    "running",
    "awaiting_confirmation",
    "paused",
    "finished",
    "error",
    "stuck",
    "limit_reached",
    "stopped",
]
Phase = Literal["queued", "claim", "image", "create", "boot", "init", "clone", "setup", "ready"]


class _Frozen(BaseModel):
    """What a later version adds is ignored: an older server must read the log all the same."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class BlobRef(_Frozen):
    """Bytes or long text kept beside the log: `blob` is the sha256, `size` in bytes, `head` the first 4 kB."""

    blob: str
    media_type: str
    size: int
    head: str = ""


Text = str | BlobRef


class TextPart(_Frozen):
    type: Literal["text"] = "text"
    text: Text


class ImagePart(_Frozen):
    type: Literal["image"] = "image"
    image: BlobRef


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]


class _Payload(_Frozen):
    v: int = 1


class Message(_Payload):
    """What a person or the model says. `cut` marks a reply that a stop ended; `by` is the user's id.

    `read_until` stands in what a model made: the sequence up to which it had read the log.
    """

    kind: Literal["message"] = Field(default="message", exclude=True)
    text: Text
    by: UUID | None = None
    call_id: UUID | None = None
    cut: bool = False
    read_until: int | None = None


class Action(_Payload):
    """One tool call of a model's reply; its event's id names it everywhere.

    `arguments` is what the model gave; where that does not parse it is None and `raw_arguments` holds the
    text. `boot_id` is the sandbox's life that it was appended for, None for a tool outside the sandbox.
    """

    kind: Literal["action"] = Field(default="action", exclude=True)
    call_id: UUID
    index: int
    tool_call_id: str
    tool: str
    arguments: dict[str, Any] | BlobRef | None = None
    raw_arguments: Text | None = None
    thought: Text = ""
    read_until: int | None = None
    risk: Literal["low", "medium", "high", "unknown"] = "unknown"
    boot_id: str | None = None


class Observation(_Payload):
    """How one action ended. `boot_id` is the sandbox's life at that moment: the next action of the same reply is
    sent to it."""

    kind: Literal["observation"] = Field(default="observation", exclude=True)
    action_id: UUID
    outcome: Outcome
    content: list[Part] = []
    meta: dict[str, Any] = {}
    boot_id: str | None = None


class AgentStateChanged(_Payload):
    """`reason` is a sentence for a person; `steps` and `cost` stand at a limit, as the next allowance's base.

    `boot_id` stands at `running`: the sandbox's life that open actions, none of them sent yet, are bound to.
    """

    kind: Literal["agent_state_changed"] = Field(default="agent_state_changed", exclude=True)
    state: AgentState
    reason: str = ""
    steps: int | None = None
    cost: float | None = None
    boot_id: str | None = None


class StartupProgress(_Payload):
    """A phase of a sandbox's start that began; `milliseconds` since the start was asked for."""

    kind: Literal["startup_progress"] = Field(default="startup_progress", exclude=True)
    phase: Phase
    milliseconds: int = 0
    detail: str = ""
    failed: bool = False


class Control(_Payload):
    kind: Literal["control"] = Field(default="control", exclude=True)
    order: Order
    by: UUID | None = None
    client_id: UUID | None = None


class Condensation(_Payload):
    """`summary` stands for the events up to and including sequence `until` in what the model reads."""

    kind: Literal["condensation"] = Field(default="condensation", exclude=True)
    until: int
    summary: Text
    call_id: UUID | None = None


class Error(_Payload):
    """What went wrong: `fault` says whose it is, `retryable` whether the same again can help."""

    kind: Literal["error"] = Field(default="error", exclude=True)
    code: str
    message: str
    fault: Literal["user", "provider", "sandbox", "server"] = "server"
    retryable: bool = False
    call_id: UUID | None = None


class TitleChanged(_Payload):
    kind: Literal["title_changed"] = Field(default="title_changed", exclude=True)
    title: str
    by: UUID | None = None


class SystemPrompt(_Payload):
    """What the model is told first: its instructions and the tools it has, as sent."""

    kind: Literal["system_prompt"] = Field(default="system_prompt", exclude=True)
    text: Text
    tools: list[dict[str, Any]] = []
    model: str = ""


Payload = Annotated[
    Message
    | Action
    | Observation
    | AgentStateChanged
    | StartupProgress
    | Control
    | Condensation
    | Error
    | TitleChanged
    | SystemPrompt,
    Field(discriminator="kind"),
]
_payloads: TypeAdapter[Payload] = TypeAdapter(Payload)


def load(kind: str, payload: dict[str, Any]) -> Payload:
    """A stored row's payload as its type. Raises pydantic's ValidationError for what was never valid."""
    return _payloads.validate_python({**payload, "kind": kind})


def dump(payload: Payload) -> dict[str, Any]:
    """The JSON that a row stores."""
    return payload.model_dump(mode="json", exclude_none=True)
