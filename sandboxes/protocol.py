"""What the server and the action server inside a sandbox say to each other.

Both sides import this module, so it holds plain dataclasses in Python 3.9's language and nothing that
needs Django or a third-party package.

The protocol is HTTP with JSON bodies and `Authorization: Bearer <key>` on every request:

    GET    /health                   200 Health
    PUT    /actions/{id}             200 Result, when the action has ended (a long poll)
                                     409 Refusal `boot_changed` | `fence_too_old`: it does not run
                                     410 Refusal `discarded`: it was deleted or interrupted unseen; never runs
    POST   /actions/{id}/interrupt   202, ends a running action; repeatable
    DELETE /actions/{id}             204, "its result is stored": frees it; repeatable

A `PUT` may have the header `Stored: {id}`, which does for that other action what DELETE does: who goes from action to
action need not ask twice for each (docs/adr/0009).

Any request may also get a Refusal with 400 `bad_request`, 401 `unauthorized`, 413 `bad_request` (too large).

`PUT` is idempotent: asked again, it answers the stored result or joins the running action. An id that was
interrupted or deleted stays known for the life of the boot, also one never seen before.
"""

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Dict, List, Literal, Optional

Outcome = Literal["ok", "error", "interrupted"]
RefusalCode = Literal["boot_changed", "fence_too_old", "discarded", "bad_request", "unauthorized"]

STORED = "Stored"  # the header

# What arguments of `terminal` may be, wherever they are judged: the name of a session, the seconds of `timeout`, above 0,
# and a command that is a key pressed with Ctrl.
SESSION_NAME = r"^[A-Za-z0-9_-]{1,32}$"
LONGEST_TIMEOUT = 3600
KEY = r"^[Cc]-([A-Za-z@\[\]\\^_])$"


@dataclass(frozen=True)
class Part:
    """A piece of a result: `text`, or an `image` as base64 with its media type."""

    type: Literal["text", "image"]
    text: str = ""
    media_type: str = ""
    data: str = ""


@dataclass(frozen=True)
class ActionRequest:
    """The body of `PUT /actions/{id}`.

    `fence` is the lease's number: one lower than the highest seen for the conversation is refused.
    """

    conversation_id: str
    boot_id: str
    fence: int
    tool: Literal["terminal", "file_editor"]
    arguments: Dict[str, Any]

    def to_json(self) -> Dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Result:
    """How an action ended. `meta` is small and flat: exit_code, working_directory, output_file, seconds ..."""

    outcome: Outcome
    content: List[Part] = field(default_factory=list)
    meta: Dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> Dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Dict[str, Any]) -> "Result":
        return cls(data["outcome"], [Part(**part) for part in data["content"]], data["meta"])


@dataclass(frozen=True)
class Refusal:
    """Why a request was not carried out; `message` is a sentence for a person."""

    code: RefusalCode
    message: str

    def to_json(self) -> Dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Health:
    """`boot_id` is new at each start of the action server and names this life of the sandbox."""

    boot_id: str
    uptime_seconds: float = 0.0
    running_actions: Optional[List[str]] = None

    def to_json(self) -> Dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Dict[str, Any]) -> "Health":
        """Of what a sandbox says that another version of ours started, that which we know."""
        return cls(**{each.name: data[each.name] for each in fields(cls) if each.name in data})
