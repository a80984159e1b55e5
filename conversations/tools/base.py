"""What a tool is: a name, a schema that the model sees, and where it runs."""

import json
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, ValidationError

from conversations.events import Outcome


class Arguments(BaseModel):
    """A tool's arguments; what is not named is an error that the model can mend."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Tool(Protocol):
    """`runs_in_sandbox`: the action server carries it out under the tool's name; else `run` does, here.

    What runs here must be repeatable: after a crash it is run again.
    """

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    @property
    def arguments(self) -> type[Arguments]: ...

    @property
    def runs_in_sandbox(self) -> bool: ...


@dataclass(frozen=True)
class LocalResult:
    """What a tool outside the sandbox says."""

    text: str
    outcome: Outcome = "ok"
    meta: dict[str, Any] = field(default_factory=dict)


@runtime_checkable
class LocalTool(Tool, Protocol):
    def run(self, arguments: Any) -> LocalResult: ...


def schema(tool: Tool) -> dict[str, Any]:
    """The tool in the form of OpenAI's function calling."""
    parameters = tool.arguments.model_json_schema()
    parameters.pop("description", None)
    return {
        "type": "function",
        "function": {
            "name": tool.name,
            "description": tool.description,
            "parameters": _without_titles(parameters),
        },
    }


def _without_titles(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: _without_titles(value)
            for key, value in node.items()
            if not (key == "title" and isinstance(value, str))
        }
    if isinstance(node, list):
        return [_without_titles(item) for item in node]
    return node


class MalformedCallError(Exception):
    """A call that cannot be carried out as given; the message tells the model how to mend it."""


def parse(tool: Tool, arguments: dict[str, Any] | None, raw: str) -> Arguments:
    """The call's arguments, checked. Raises MalformedCallError."""
    if arguments is None:
        raise MalformedCallError(f"The arguments of {tool.name} are not a JSON object: {_cut(raw)}")
    try:
        return tool.arguments.model_validate(arguments)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'arguments'}: {fault['msg']}" for fault in error.errors()
        )
        expected = json.dumps(tool.arguments.model_json_schema().get("properties", {}))
        raise MalformedCallError(
            f"{tool.name} was called with wrong arguments. {faults}. Its arguments are {_cut(expected, 2000)}"
        ) from None


def _cut(text: str, limit: int = 500) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"
