"""One call of the model: its row before, its reply as events after."""

import json
import uuid
from decimal import Decimal
from typing import Any
from uuid import UUID

import structlog
from django.db import IntegrityError

from conversations.agent.deltas import DeltaStream
from conversations.agent.holder import Holder
from conversations.agent.inbox import Inbox
from conversations.agent.waiting import wait_for
from conversations.events import Action, Error, Message
from conversations.llm import registry, usage
from conversations.llm.base import Model, Reply, Request, ToolCall
from conversations.llm.errors import LLMError
from conversations.models import Conversation, LLMCall
from conversations.timeline import Draft, LeaseLostError
from conversations.tools.registry import TOOLS
from openhands_site import async_thread, fault_points

log = structlog.get_logger(__name__)


class ModelCaller:
    """Calls the model of one conversation and keeps count of its cost."""

    def __init__(self, holder: Holder, inbox: Inbox) -> None:
        self.holder = holder
        self.inbox = inbox
        self.cost = 0.0

    def prepare(self) -> None:
        conversation = self.holder.conversation
        self.cost = float(usage.spend(conversation.pk).cost or 0)
        self._model: Model | None = None

    @property
    def limit_problem(self) -> str:
        conversation, history = self.holder.conversation, self.holder.history
        if history.steps - history.base_steps >= conversation.max_steps:
            return (
                f"The limit of {conversation.max_steps} steps is reached. Resume, or send a message, to go on for "
                "as many again."
            )
        budget = conversation.max_budget
        if budget is not None and self.cost - history.base_cost >= float(budget):
            return f"The budget of ${budget.normalize():f} is spent. Resume, or send a message, to go on for as much again."
        return ""

    def call(self, boot_id: str | None) -> Error | None:
        """Calls once and appends what came of it. Returns what went wrong, which the caller records."""
        read_until = self.holder.history.cursor
        try:
            self._model = self._model or self._create_model()
        except LLMError as error:
            return _as_event(error, None)
        call_id = self._open_call(self._model)
        fault_points.reach("agent-call-opened")
        try:
            self.holder.require_lease()  # after the row was written, for that may have waited, too
        except (LeaseLostError, Conversation.DoesNotExist):
            usage.settle_call(call_id=call_id, status=LLMCall.Status.FAILED, error="It was not made.")
            raise
        deltas = DeltaStream(self.holder.id, call_id)
        context = self.holder.history.context
        request = Request(list(context.messages), context.tools)
        future = async_thread.run(self._model.complete(request, deltas.add))
        was_stopped = not wait_for(future, self.holder, self.inbox, leave_at_shutdown=False)
        deltas.end()
        if was_stopped:
            future.cancel()
            self._keep_cut(call_id, deltas.text, read_until)
            return None
        try:
            reply = future.result()
        except LLMError as error:
            usage.settle_call(
                call_id=call_id, status=LLMCall.Status.FAILED, error=error.message, attempts=error.attempts
            )
            return _as_event(error, call_id)
        except BaseException as error:
            usage.settle_call(call_id=call_id, status=LLMCall.Status.FAILED, error=repr(error))
            raise
        return self._keep(call_id, reply, read_until, boot_id)

    def _create_model(self) -> Model:
        conversation = self.holder.conversation
        return registry.create(registry.choose(conversation.owner, conversation.model))

    def _open_call(self, model: Model) -> UUID:
        try:
            return usage.open_call(conversation_id=self.holder.id, fence=self.holder.fence, model=model)
        except IntegrityError as error:
            if Conversation.objects.filter(pk=self.holder.id).exists():
                raise
            raise Conversation.DoesNotExist from error

    def _keep(self, call_id: UUID, reply: Reply, read_until: int, boot_id: str | None) -> Error | None:
        fault_points.reach("agent-reply-received")

        def settle() -> None:
            usage.settle_call(call_id=call_id, status=LLMCall.Status.DONE, reply=reply)

        self.cost += float(reply.usage.cost or Decimal(0))
        if not reply.tool_calls and not reply.text.strip():
            settle()
            message = "The model answered with nothing. Send a message, or resume, to ask it again."
            return Error(
                code="empty_reply", message=message, fault="provider", retryable=True, call_id=call_id
            )
        try:
            self.holder.append(*reply_drafts(call_id, reply, read_until, boot_id), also=settle)
        except Exception:
            settle()  # the money is spent whether or not the lease still holds
            raise
        return None

    def _keep_cut(self, call_id: UUID, text: str, read_until: int) -> None:
        usage.settle_call(call_id=call_id, status=LLMCall.Status.CANCELLED)
        if text.strip():
            message = Message(text=text, call_id=call_id, cut=True, read_until=read_until)
            self.holder.append(Draft(message, "agent"))


def reply_drafts(call_id: UUID, reply: Reply, read_until: int, boot_id: str | None) -> list[Draft]:
    """The reply as events: a message, or an action for each tool call. Pure."""
    if not reply.tool_calls:
        return [Draft(Message(text=reply.text, call_id=call_id, read_until=read_until), "agent")]
    return [
        Draft(_action(call_id, index, call, reply.text, read_until, boot_id), "agent")
        for index, call in enumerate(reply.tool_calls)
    ]


def _action(
    call_id: UUID, index: int, call: ToolCall, thought: str, read_until: int, boot_id: str | None
) -> Action:
    arguments = _parsed(call.arguments)
    tool = TOOLS.get(call.name)
    return Action(
        call_id=call_id,
        index=index,
        tool_call_id=call.id or f"call_{uuid.uuid4().hex}",
        tool=call.name,
        arguments=arguments,
        raw_arguments=call.arguments if arguments is None else None,
        thought=thought if index == 0 else "",
        read_until=read_until,
        boot_id=boot_id if tool and tool.runs_in_sandbox else None,
    )


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _as_event(error: LLMError, call_id: UUID | None) -> Error:
    return Error(
        code=error.code,
        message=error.message,
        fault=error.fault,
        retryable=error.retryable,
        call_id=call_id,
    )
