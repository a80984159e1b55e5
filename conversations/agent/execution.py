"""Carrying out an action, at most once, and observing how it ended."""

import asyncio
import json
from base64 import b64decode
from collections.abc import Iterable
from concurrent.futures import CancelledError, Future
from typing import Any
from uuid import UUID, uuid4

import structlog
from django.conf import settings

from conversations import blobs
from conversations.agent.history import OpenAction
from conversations.agent.holder import Holder
from conversations.agent.inbox import Inbox
from conversations.agent.waiting import wait_for
from conversations.events import Action, BlobRef, ImagePart, Observation, Outcome, Part, Source, TextPart
from conversations.texts import StoredTexts
from conversations.timeline import Draft, LeaseLostError
from conversations.tools.base import LocalTool, MalformedCallError, parse
from conversations.tools.registry import TOOLS
from openhands_site import async_thread, fault_points
from sandboxes import client, protocol
from sandboxes import services as sandboxes
from sandboxes.errors import BootChanged, Discarded, FenceTooOld, SandboxError, Unreachable
from sandboxes.models import Sandbox

RETRY_SECONDS = 0.5
INTERRUPT_SECONDS = 0.6  # how long a stop waits for the interrupted command's output
log = structlog.get_logger(__name__)


class Executor:
    """Carries out the actions of one conversation."""

    def __init__(self, holder: Holder, inbox: Inbox) -> None:
        self.holder = holder
        self.inbox = inbox
        self.sandbox_id: UUID | None = holder.conversation.sandbox_id
        self._reachable: client.Reachable | None = None
        self._maybe_sent: set[UUID] = set()
        self._untold: UUID | None = None  # the action whose result is stored and still kept in the sandbox
        self._silence = 0.0  # for how many seconds a life that goes on has been asked and has not answered

    def take_over(self) -> None:
        """The log was another's until now: its first open action may have been sent already."""
        history = self.holder.history
        if history.open and history.may_have_been_sent:
            self._maybe_sent.add(next(iter(history.open)))

    def sandbox(self) -> Sandbox | None:
        return Sandbox.objects.filter(pk=self.sandbox_id).first() if self.sandbox_id else None

    def reach(self) -> client.Reachable | None:
        """Where the sandbox answers, kept until it did not: the boot id guards against what is out of date."""
        if self._reachable is None and self.sandbox_id:
            self._reachable = sandboxes.reach(sandbox_id=self.sandbox_id)
        return self._reachable

    def lacks_sandbox(self, opened: OpenAction) -> bool:
        """Whether the action cannot be sent now, and need not be given up as lost."""
        tool = TOOLS.get(opened.action.tool)
        in_sandbox = tool is not None and tool.runs_in_sandbox
        return in_sandbox and opened.id not in self._maybe_sent and self.reach() is None

    @property
    def in_flight(self) -> OpenAction | None:
        """The action that may be running in the sandbox: the log must not rest before it has its observation."""
        first = next(iter(self.holder.history.open.values()), None)
        return first if first and first.id in self._maybe_sent else None

    def give_up(self, opened: OpenAction) -> None:
        """Records that nobody will know how the action ended."""
        self._observe(opened, "lost")

    def finish(self) -> None:
        """The turn ends: that the last result is stored is said alone, for there is no next action to go with."""
        if self._untold and self._reachable:
            async_thread.run(client.discard_action(self._reachable, self._untold))

    def execute(self, opened: OpenAction) -> None:
        """Ends with an observation, or leaves the action open for the loop's next move: a stop was ordered, or the
        sandbox went away."""
        action = opened.action
        tool = TOOLS.get(action.tool)
        if tool is None:
            return self._observe(
                opened, "error", f"There is no tool {action.tool!r}. There are: {', '.join(TOOLS)}."
            )
        try:
            texts = StoredTexts(self.holder.id)
            arguments = parse(tool, _arguments(action, texts), texts.text(action.raw_arguments or ""))
        except MalformedCallError as error:
            return self._observe(opened, "error", str(error))
        if isinstance(tool, LocalTool):
            result = tool.run(arguments)
            return self._observe(opened, result.outcome, result.text, meta=result.meta)
        return self._execute_in_sandbox(opened, arguments.model_dump(mode="json"))

    def _execute_in_sandbox(self, opened: OpenAction, arguments: dict[str, Any]) -> None:
        reachable = self.reach()
        if opened.id in self._maybe_sent and (
            reachable is None or reachable.boot_id != self.holder.history.bound_boot
        ):
            return self._observe(opened, "lost", boot_id=reachable.boot_id if reachable else None)
        assert reachable is not None, "the loop asks lacks_sandbox first"
        request = protocol.ActionRequest(
            conversation_id=str(self.holder.id),
            boot_id=reachable.boot_id,
            fence=self.holder.fence,
            tool=opened.action.tool,  # type: ignore[arg-type]
            arguments=arguments,
        )
        self._maybe_sent.add(opened.id)
        fault_points.reach("agent-action-unsent")
        # The sandbox refuses an old fence only once it has seen the new one, and after a stop none need come.
        self.holder.require_lease()
        put = client.put_action(reachable, opened.id, request, stored=self._untold)
        future = async_thread.run(put)
        if not wait_for(future, self.holder, self.inbox, leave_at_shutdown=True):
            return self._interrupt(opened, reachable, future)
        return self._conclude(opened, reachable, future)

    def withdraw(self) -> bool:
        """Ends what a stop has closed in the log without the sandbox's word: actions, of which one that was not seen
        there yet never runs, and commands that went on in a shell. Returns whether the sandbox has heard, or is gone.
        """
        history = self.holder.history
        if not (history.unconfirmed or history.stopped_sessions):
            return True
        if reachable := self.reach():
            keys = [self._end_of_command(reachable, session) for session in history.stopped_sessions]
            future = async_thread.run(_end(reachable, list(history.unconfirmed), keys))
            if not wait_for(future, self.holder, self.inbox, leave_at_shutdown=True):
                return False
            try:
                future.result()
            except Unreachable as error:
                self._on_unreachable(reachable, error)
                again = self.reach()
                if again and again.boot_id == reachable.boot_id:
                    return False
            else:
                self._silence = 0.0
        history.note_withdrawn()
        return True

    def _end_of_command(self, reachable: client.Reachable, session: str) -> protocol.ActionRequest:
        return protocol.ActionRequest(
            conversation_id=str(self.holder.id),
            boot_id=reachable.boot_id,
            fence=self.holder.fence,
            tool="terminal",
            arguments={"command": "C-c", "is_input": True, "session": session},
        )

    def _conclude(
        self, opened: OpenAction, reachable: client.Reachable, future: "Future[protocol.Result]"
    ) -> None:
        try:
            result = future.result()
        except Unreachable as error:
            self._on_unreachable(reachable, error)
        except BootChanged:
            self._reachable = None
            sandboxes.report_unreachable(sandbox_id=reachable.sandbox_id, boot_id=reachable.boot_id)
            self._observe(opened, "lost")
        except FenceTooOld as error:
            raise LeaseLostError(str(error)) from error
        except Discarded:
            self._observe(opened, "interrupted", "It was withdrawn before it ran.")
        else:
            self._keep(opened, reachable, result, result.outcome)

    def _on_unreachable(self, reachable: client.Reachable, error: Unreachable) -> None:
        """The line was cut, or the sandbox is gone. Where it lives the next move asks again and joins the action; but
        one that does not answer for long is ended, for nobody else would."""
        self._reachable = None
        sandbox_id, boot_id = reachable.sandbox_id, reachable.boot_id
        lives = sandboxes.report_unreachable(sandbox_id=sandbox_id, boot_id=boot_id)
        self._silence = self._silence + error.silence + RETRY_SECONDS if lives else 0.0
        if self._silence > settings.SANDBOX_DEAD_AFTER:
            sandboxes.end_silent_life(sandbox_id=sandbox_id, boot_id=boot_id)
        if self.reach() == reachable:
            wait_for(
                async_thread.run(asyncio.sleep(RETRY_SECONDS)),
                self.holder,
                self.inbox,
                leave_at_shutdown=True,
            )

    def _interrupt(
        self, opened: OpenAction, reachable: client.Reachable, future: "Future[protocol.Result]"
    ) -> None:
        """Ends the command. What it printed is kept where that comes in time; the stop does not wait longer."""
        async_thread.run(client.interrupt_action(reachable, opened.id))
        try:
            result = future.result(timeout=INTERRUPT_SECONDS)
        except (TimeoutError, CancelledError, SandboxError):
            future.cancel()
            return
        self._keep(opened, reachable, result, "ok" if result.outcome == "ok" else "interrupted")

    def _keep(
        self, opened: OpenAction, reachable: client.Reachable, result: protocol.Result, outcome: Outcome
    ) -> None:
        fault_points.reach("agent-action-done")
        self._silence = 0.0

        def observed() -> list[Draft]:
            content = [self._part(part) for part in result.content]
            return [_observation(opened, outcome, content, result.meta, reachable.boot_id)]

        if any(part.type == "image" for part in result.content):
            self.holder.append_locked(observed)
        else:
            self.holder.append(*observed())
        self._maybe_sent.discard(opened.id)
        fault_points.reach("agent-action-stored")
        self._untold = opened.id  # what was untold before went with the request that had this result

    def _part(self, part: protocol.Part) -> Part:
        if part.type == "image":
            return ImagePart(image=blobs.store(self.holder.id, b64decode(part.data), part.media_type))
        return TextPart(text=part.text)

    def _observe(
        self,
        opened: OpenAction,
        outcome: Outcome,
        text: str = "",
        *,
        meta: dict[str, Any] | None = None,
        boot_id: str | None = None,
    ) -> None:
        content: list[Part] = [TextPart(text=text)] if text else []
        self.holder.append(_observation(opened, outcome, content, meta or {}, boot_id))
        self._maybe_sent.discard(opened.id)


def _observation(
    opened: OpenAction, outcome: Outcome, content: list[Part], meta: dict[str, Any], boot_id: str | None
) -> Draft:
    tool = TOOLS.get(opened.action.tool)
    source: Source = "sandbox" if tool and tool.runs_in_sandbox else "system"
    observation = Observation(
        action_id=opened.id, outcome=outcome, content=content, meta=meta, boot_id=boot_id
    )
    return Draft(observation, source)


async def _end(
    reachable: client.Reachable, action_ids: Iterable[UUID], keys: Iterable[protocol.ActionRequest]
) -> None:
    """Raises Unreachable."""
    interrupts = (client.interrupt_action(reachable, action_id) for action_id in action_ids)
    presses = (_press(reachable, key) for key in keys)
    for ended in await asyncio.gather(*interrupts, *presses, return_exceptions=True):
        if isinstance(ended, Unreachable):
            raise ended


async def _press(reachable: client.Reachable, key: protocol.ActionRequest) -> None:
    """Presses a key that ends a command. One that goes on all the same is ended as an interrupted action's: the action
    of the press would else wait for it for minutes, and close the shell to all others."""
    while True:
        action_id = uuid4()
        press = asyncio.create_task(client.put_action(reachable, action_id, key))
        try:
            await asyncio.wait({press}, timeout=INTERRUPT_SECONDS)
            if not press.done():
                await client.interrupt_action(reachable, action_id)
            await press
        except Discarded:
            continue  # The interrupt was there before the press.
        finally:
            press.cancel()
        return await client.discard_action(reachable, action_id)


def _arguments(action: Action, texts: StoredTexts) -> dict[str, Any] | None:
    if isinstance(action.arguments, BlobRef):
        loaded: dict[str, Any] = json.loads(texts.text(action.arguments))
        return loaded
    return action.arguments
