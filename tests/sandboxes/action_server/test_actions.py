"""The registry by itself: what runs, what is joined, what never runs."""

import asyncio
import uuid
from typing import Any

import pytest

from sandboxes.action_server.actions import Actions
from sandboxes.action_server.errors import Refused, ToolError
from sandboxes.protocol import ActionRequest, Part, Result


class SlowTool:
    """Runs until it is released or interrupted, and counts how often."""

    def __init__(self) -> None:
        self.runs = 0
        self.release = asyncio.Event()

    async def run(self, request: ActionRequest, interrupted: asyncio.Event) -> Result:
        self.runs += 1
        if request.arguments.get("fail") == "tool":
            raise ToolError("do it otherwise")
        if request.arguments.get("fail") == "bug":
            raise ZeroDivisionError("oops")
        released = asyncio.ensure_future(self.release.wait())
        stopped = asyncio.ensure_future(interrupted.wait())
        await asyncio.wait({released, stopped}, return_when=asyncio.FIRST_COMPLETED)
        released.cancel()
        stopped.cancel()
        return Result("interrupted" if interrupted.is_set() else "ok", [Part("text", f"run {self.runs}")])


def request(fence: int = 1, boot_id: str = "boot", **arguments: Any) -> ActionRequest:
    tool: Any = arguments.pop("tool", "terminal")
    return ActionRequest("c1", boot_id, fence, tool, arguments)


def new_id() -> bytes:
    return uuid.uuid4().bytes


def code(actions: Actions, action_id: bytes, wanted: ActionRequest) -> str:
    with pytest.raises(Refused) as refused:
        actions.submit(action_id, wanted)
    return refused.value.refusal.code


async def test_an_action_runs_once_however_often_it_is_put() -> None:
    tool, action_id = SlowTool(), new_id()
    actions = Actions("boot", {"terminal": tool})
    first, second = actions.submit(action_id, request()), actions.submit(action_id, request(fence=2))
    assert first is second
    assert actions.running == [action_id]
    tool.release.set()
    result = await first
    assert await actions.submit(action_id, request(fence=2)) is result
    assert tool.runs == 1
    assert actions.running == []


async def test_another_boot_or_an_older_fence_never_runs() -> None:
    tool = SlowTool()
    actions = Actions("boot", {"terminal": tool})
    tool.release.set()
    assert code(actions, new_id(), request(boot_id="earlier")) == "boot_changed"
    await actions.submit(new_id(), request(fence=5))
    assert code(actions, new_id(), request(fence=4)) == "fence_too_old"
    await actions.submit(new_id(), request(fence=5))
    await actions.submit(new_id(), ActionRequest("c2", "boot", 1, "terminal", {}))
    assert tool.runs == 3


async def test_a_refused_boot_does_not_raise_the_fence() -> None:
    actions = Actions("boot", {"terminal": SlowTool()})
    assert code(actions, new_id(), request(fence=9, boot_id="earlier")) == "boot_changed"
    assert not actions.submit(new_id(), request(fence=1)).done()


async def test_what_was_interrupted_or_deleted_unseen_never_runs() -> None:
    tool = SlowTool()
    actions = Actions("boot", {"terminal": tool})
    interrupted, deleted = new_id(), new_id()
    for _ in range(2):
        actions.interrupt(interrupted)
        actions.discard(deleted)
        assert code(actions, interrupted, request()) == "discarded"
        assert code(actions, deleted, request()) == "discarded"
    assert tool.runs == 0


async def test_an_interrupted_action_keeps_its_result_until_it_is_deleted() -> None:
    tool, action_id = SlowTool(), new_id()
    actions = Actions("boot", {"terminal": tool})
    task = actions.submit(action_id, request())
    await asyncio.sleep(0)
    actions.interrupt(action_id)
    actions.interrupt(action_id)
    assert (await task).outcome == "interrupted"
    actions.interrupt(action_id)
    assert (await actions.submit(action_id, request())).outcome == "interrupted"
    actions.discard(action_id)
    actions.discard(action_id)
    assert code(actions, action_id, request()) == "discarded"
    assert tool.runs == 1


async def test_an_interrupt_after_the_end_changes_nothing() -> None:
    tool, action_id = SlowTool(), new_id()
    actions = Actions("boot", {"terminal": tool})
    tool.release.set()
    assert (await actions.submit(action_id, request())).outcome == "ok"
    actions.interrupt(action_id)
    assert (await actions.submit(action_id, request())).outcome == "ok"


async def test_deleting_a_running_action_ends_it() -> None:
    action_id = new_id()
    actions = Actions("boot", {"terminal": SlowTool()})
    task = actions.submit(action_id, request())
    await asyncio.sleep(0)
    actions.discard(action_id)
    assert (await task).outcome == "interrupted"
    assert code(actions, action_id, request()) == "discarded"


async def test_every_failure_becomes_a_result_that_the_model_can_read() -> None:
    actions = Actions("boot", {"terminal": SlowTool()})
    told = await actions.submit(new_id(), request(fail="tool"))
    assert (told.outcome, told.content[0].text) == ("error", "do it otherwise")
    bug = await actions.submit(new_id(), request(fail="bug"))
    assert bug.outcome == "error"
    assert "ZeroDivisionError" in bug.content[0].text
    unknown = await actions.submit(new_id(), request(tool="teleport"))
    assert unknown.outcome == "error"
    assert "no tool 'teleport'" in unknown.content[0].text
