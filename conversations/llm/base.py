"""What the agent needs of a model, whoever makes it: one request, one reply, and pieces while it comes."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal, Protocol

Channel = Literal["text", "reasoning", "arguments"]


@dataclass(frozen=True)
class Request:
    """`messages` and `tools` in the form of OpenAI's chat completions; neither may be changed by the model."""

    messages: list[dict[str, Any]]
    tools: list[dict[str, Any]]


@dataclass(frozen=True)
class ToolCall:
    """`arguments` is the text as the model gave it, which need not be JSON."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Usage:
    """Tokens of one reply and their cost in US dollars; None is "not known", never 0."""

    prompt_tokens: int | None = None
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    cost: Decimal | None = None


@dataclass(frozen=True)
class Delta:
    """A piece of a reply that is being made. `attempt` counts from 1; a new attempt starts all over.

    `index` tells tool calls apart (channel `arguments`), `offset` is where in its channel the piece belongs.
    """

    attempt: int
    channel: Channel
    index: int
    offset: int
    text: str


@dataclass(frozen=True)
class Reply:
    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    usage: Usage = Usage()
    attempts: int = 1
    latency_ms: int = 0
    first_token_ms: int | None = None


OnDelta = Callable[[Delta], None]


class Model(Protocol):
    """A model as configured for one conversation. It is used from one event loop, by many tasks at once."""

    name: str
    """What a person chose, and what is priced: `anthropic/claude-…`, `scripted/demo`."""
    route: str
    """How it is called: LiteLLM's name for it."""

    async def complete(self, request: Request, on_delta: OnDelta) -> Reply:
        """One reply. Retries by itself what a retry can help; cancelling the task ends it at once.

        Raises `conversations.llm.errors.LLMError` when it gives up.
        """
        ...


class Factory(Protocol):
    """What `settings.LLM_FACTORIES` names for a model's prefix."""

    def __call__(self, choice: "ModelChoice") -> Model: ...


@dataclass(frozen=True)
class ModelChoice:
    """A model's name with the key and base URL to reach it; empty means the provider's default."""

    name: str
    api_key: str = ""
    base_url: str = ""

    def __repr__(self) -> str:
        return f"ModelChoice({self.name!r}, base_url={self.base_url!r})"
