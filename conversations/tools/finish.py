"""The end of a task, as the agent sees it."""

from pydantic import Field

from conversations.tools.base import Arguments, LocalResult


class FinishArguments(Arguments):
    message: str = Field(min_length=1, description="What was done and found, in Markdown, for the person.")


class Finish:
    name = "finish"
    description = (
        "Ends the task. Call it when the work is done and checked, or cannot be done: say plainly which, what was "
        "changed, how it was checked and what is left."
    )
    arguments = FinishArguments
    runs_in_sandbox = False

    def run(self, arguments: FinishArguments) -> LocalResult:
        return LocalResult("The task is finished.")
