"""The system prompt: what the agent is told first, from the templates beside this module."""

from datetime import date
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from conversations.events import SystemPrompt
from conversations.tools.base import schema
from conversations.tools.registry import TOOLS


@cache
def _template(name: str) -> Template:
    folder = FileSystemLoader(Path(__file__).parent / "prompts")
    return Environment(loader=folder, undefined=StrictUndefined, autoescape=False).get_template(name)  # noqa: S701


def system_prompt(*, model: str, today: date) -> SystemPrompt:
    return SystemPrompt(
        text=_template("system.j2").render(today=today.isoformat()),
        tools=[schema(tool) for tool in TOOLS.values()],
        model=model,
    )
