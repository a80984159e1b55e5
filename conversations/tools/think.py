"""A place for the model to think in writing."""

from pydantic import Field

from conversations.tools.base import Arguments, LocalResult


class ThinkArguments(Arguments):
    thought: str = Field(min_length=1)


class Think:
    name = "think"
    description = (
        "Writes a thought down: a plan, a weighing of causes, what a result means. It changes nothing. "
        "Use it before hard decisions."
    )
    arguments = ThinkArguments
    runs_in_sandbox = False

    def run(self, arguments: ThinkArguments) -> LocalResult:
        return LocalResult("Noted.")
