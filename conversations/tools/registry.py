"""The tools that an agent has."""

from conversations.tools.base import Tool
from conversations.tools.editor import FileEditor
from conversations.tools.finish import Finish
from conversations.tools.tasks import TaskTracker
from conversations.tools.terminal import Terminal
from conversations.tools.think import Think

TOOLS: dict[str, Tool] = {
    tool.name: tool for tool in (Terminal(), FileEditor(), Think(), TaskTracker(), Finish())
}
