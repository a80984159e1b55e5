"""The agent's list of tasks, which people see. The newest call's list is the list."""

from typing import Literal

from pydantic import Field

from conversations.tools.base import Arguments, LocalResult


class Task(Arguments):
    title: str = Field(min_length=1, max_length=500)
    status: Literal["todo", "in_progress", "done"] = "todo"
    notes: str = ""


class TaskTrackerArguments(Arguments):
    tasks: list[Task] = Field(
        max_length=200, description="The whole list, in order; it replaces the last one."
    )


class TaskTracker:
    name = "task_tracker"
    description = (
        "Keeps a list of tasks that people watch. Use it for work of several parts: send the whole list at the "
        "beginning and whenever something is begun or done. At most one task is in progress."
    )
    arguments = TaskTrackerArguments
    runs_in_sandbox = False

    def run(self, arguments: TaskTrackerArguments) -> LocalResult:
        done = sum(task.status == "done" for task in arguments.tasks)
        return LocalResult(f"The list has {len(arguments.tasks)} tasks, {done} done.")
