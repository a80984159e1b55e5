"""Which actions run, have run and must never run: an action runs at most once in the life of a boot."""

from __future__ import annotations

import asyncio
import logging
from typing import Mapping, Protocol

from sandboxes.protocol import ActionRequest, Part, Result

from .errors import Refused, ToolError

log = logging.getLogger(__name__)


class Tool(Protocol):
    async def run(self, request: ActionRequest, interrupted: asyncio.Event) -> Result:
        """Carry out `request`; end early once `interrupted` is set. Raises ToolError."""


class _Action:
    def __init__(self, task: asyncio.Task[Result], interrupted: asyncio.Event) -> None:
        self.task = task
        self.interrupted = interrupted


class Actions:
    """The registry of actions by their id, 16 bytes.

    What was discarded leaves its id behind and nothing else, so it can be remembered for the life of a boot.
    """

    def __init__(self, boot_id: str, tools: Mapping[str, Tool]) -> None:
        self._boot_id = boot_id
        self._tools = tools
        self._actions: dict[bytes, _Action] = {}
        self._gone: set[bytes] = set()
        self._fences: dict[str, int] = {}

    @property
    def running(self) -> list[bytes]:
        return [action_id for action_id, action in self._actions.items() if not action.task.done()]

    def submit(self, action_id: bytes, request: ActionRequest) -> asyncio.Task[Result]:
        """The task that ends with the action's result: started now, or by an earlier call with the same id.

        Raises Refused, and then nothing runs: for another boot, a fence that is too old, a discarded id.
        """
        if request.boot_id != self._boot_id:
            raise Refused("boot_changed", "The sandbox has been started anew since this action was planned.")
        highest = self._fences.get(request.conversation_id, request.fence)
        if request.fence < highest:
            raise Refused(
                "fence_too_old", f"The conversation is in other hands: its fence is {highest} by now."
            )
        self._fences[request.conversation_id] = request.fence
        if action_id in self._gone:
            raise Refused("discarded", "This action was interrupted or deleted; it does not run.")
        if action_id not in self._actions:
            interrupted = asyncio.Event()
            task = asyncio.ensure_future(self._run(request, interrupted))
            self._actions[action_id] = _Action(task, interrupted)
        return self._actions[action_id].task

    def interrupt(self, action_id: bytes) -> None:
        """End the action if it runs; one never seen never will run; one that has ended keeps its result."""
        if action_id in self._actions:
            self._actions[action_id].interrupted.set()
        else:
            self._gone.add(action_id)

    def discard(self, action_id: bytes) -> None:
        """Forget the action's result, which somebody has stored; ends it if it still runs."""
        self.interrupt(action_id)
        self._actions.pop(action_id, None)
        self._gone.add(action_id)

    async def _run(self, request: ActionRequest, interrupted: asyncio.Event) -> Result:
        try:
            tool = self._tools.get(request.tool)
            if tool is None:
                raise ToolError(f"There is no tool {request.tool!r} here, only {', '.join(self._tools)}.")
            return await tool.run(request, interrupted)
        except ToolError as error:
            return Result("error", [Part("text", str(error))])
        except Exception as error:  # Whatever happened, the action has run and needs an outcome.
            log.exception("The tool %s failed", request.tool)
            return Result("error", [Part("text", f"The tool failed unexpectedly: {error!r}")])
