"""The agent's loop: take the lease, fold the log, and make one move after the other until it must wait.

Everything that it knows it can know again from the log, so a worker may die between any two lines of it.
"""

from uuid import UUID

import structlog
from django.db import InterfaceError, InternalError, OperationalError, transaction

from conversations import timeline
from conversations.agent import inbox as inboxes
from conversations.agent.calling import ModelCaller
from conversations.agent.execution import Executor
from conversations.agent.holder import Holder
from conversations.agent.moves import CallModel, Execute, Move, Rest, Stop, next_move
from conversations.agent.waiting import ShutdownError
from conversations.events import AgentStateChanged, Error
from conversations.llm import usage
from conversations.models import Conversation
from conversations.orders import interruption
from conversations.states import AgentState
from conversations.timeline import Draft, LeaseLostError
from openhands_site import disk, fault_points, outages
from openhands_site.db import forget_rows
from openhands_site.outages import Outage
from openhands_site.workers import leases
from sandboxes import services as sandboxes
from sandboxes.models import Sandbox
from sandboxes.states import SandboxState

log = structlog.get_logger(__name__)


def run(conversation_id: UUID, worker_id: UUID) -> None:
    """Works on the conversation until it rests. Does nothing where no work is due or another holds it."""
    fence = leases.take(Conversation.objects.all(), conversation_id, worker_id)
    if fence is None:
        return
    fault_points.reach("agent-lease-taken")
    with structlog.contextvars.bound_contextvars(conversation_id=str(conversation_id)):
        try:
            conversation = Conversation.objects.select_related("owner").get(pk=conversation_id)
            with (
                structlog.contextvars.bound_contextvars(user_id=str(conversation.owner_id)),
                inboxes.reader().open(conversation_id) as inbox,
            ):
                Agent(Holder(conversation, fence), inbox).work()
        except (LeaseLostError, Conversation.DoesNotExist):
            log.info("the conversation was taken over or deleted", fence=fence)
        except Exception as error:
            forget_rows(error)
            if passes(error):
                log.warning("what happens cannot be kept; the work stays due", error=str(error))
                _release(conversation_id, fence, lease_worker=None)
                return
            # Its log cannot be read, say: to try the same every 2 s would help nobody.
            log.exception("the conversation cannot be worked on")
            _release(conversation_id, fence, lease_worker=None, due_since=None)


def passes(error: Exception) -> bool:
    """Whether the same may succeed later by itself: the database was away, or the disk full.

    What the database will never take (IntegrityError, DataError) does not pass: each attempt would be a paid call.
    """
    return (
        isinstance(error, OperationalError | InterfaceError | InternalError) or outages.of(error) is not None
    )


def _release(conversation_id: UUID, fence: int, **values: None) -> None:
    held = Conversation.objects.filter(pk=conversation_id, lease_fence=fence)
    leases.until_written(lambda: held.update(**values))


class Agent:
    """One conversation at work, under one lease."""

    def __init__(self, holder: Holder, inbox: inboxes.Inbox) -> None:
        self.holder = holder
        self.history = holder.history
        self.caller = ModelCaller(holder, inbox)
        self.executor = Executor(holder, inbox)

    def work(self) -> None:
        self.holder.load()
        usage.settle_abandoned(self.holder.id, self.holder.fence)
        self.executor.take_over()
        self.caller.prepare()
        fault_points.reach("agent-loaded")
        try:
            while not inboxes.reader().is_shutting_down:
                if self.step():
                    return
        except ShutdownError:
            pass
        finally:
            self.executor.finish()
        self.holder.leave()

    def step(self) -> bool:
        """One move; what goes wrong in it is recorded. Returns whether the lease was given up."""
        try:
            return self.carry_out(next_move(self.history, self.caller.limit_problem))
        except (ShutdownError, LeaseLostError, Conversation.DoesNotExist):
            raise
        except Exception as error:
            forget_rows(error)
            if passes(error):
                self.tell_once(outages.of(error))
                raise
            log.exception("a step failed")
            return self.fail("internal", f"The server failed in this step: {type(error).__name__}: {error}")

    def carry_out(self, move: Move) -> bool:
        """Makes the move. Returns whether the lease was given up."""
        match move:
            case Stop():
                self.stop()
                return False
            case Rest(state, reason):
                if opened := self.executor.in_flight:
                    self.executor.execute(opened)
                    return False
                if not self.executor.withdraw():
                    self.holder.read_new()  # what comes meanwhile does not wait for the sandbox
                    return False
                return self.holder.rest(state, reason, cost=self.caller.cost)
            case Execute(opened):
                if self.history.state != AgentState.RUNNING or self.executor.lacks_sandbox(opened):
                    return self.begin_running()
                self.executor.execute(opened)
                return False
            case CallModel():
                if self.history.state != AgentState.RUNNING:
                    return self.begin_running()
                return self.call_model()

    def begin_running(self) -> bool:
        """Sees to it that there is a sandbox and that the log says `running`. Returns whether it has to wait for
        the sandbox, with the lease given up."""
        if not self.executor.withdraw():
            self.holder.read_new()
            return False  # it is asked again: `running` would say that the sandbox has heard of the stop
        reachable = self.executor.reach()
        if reachable is None:
            return self.wait_for_sandbox()
        if self.history.state != AgentState.RUNNING:
            changed = AgentStateChanged(state="running", boot_id=reachable.boot_id)
            self.holder.append(Draft(changed, "system"))
        return False

    def call_model(self) -> bool:
        disk.require_room()
        reachable = self.executor.reach()
        error = self.caller.call(reachable.boot_id if reachable else None)
        if error is None:
            return False
        self.holder.append(Draft(error, "agent"))
        return self.holder.rest(AgentState.ERROR, error.message)

    def stop(self) -> None:
        interrupted = [interruption(action_id) for action_id in self.history.open]
        self.holder.append(*interrupted, Draft(AgentStateChanged(state="stopped"), "system"))

    def wait_for_sandbox(self) -> bool:
        """It is being started, or is asked to start now; "ready" makes the work due again.

        What came since the sandbox was seen to lack is not read here: unread, it keeps the agent from resting, and a
        "ready" or a stop is looked at before anything else.
        """
        fault_points.reach("agent-sandbox-awaited")
        sandbox = self.ensure_sandbox()
        if sandbox.state == SandboxState.ERROR and self.history.start_failed:
            return self.fail(
                "sandbox_failed", sandbox.error or "The sandbox could not be started.", "sandbox"
            )
        sandboxes.request_start(sandbox_id=sandbox.pk)
        return self.holder.rest(AgentState.STARTING)

    def ensure_sandbox(self) -> Sandbox:
        sandbox = self.executor.sandbox()
        if sandbox is not None:
            return sandbox
        conversation = self.holder.conversation
        with transaction.atomic():
            timeline.lock(conversation.pk, fence=self.holder.fence)
            made = sandboxes.create_sandbox(
                owner=conversation.owner,
                image=conversation.image,
                reserved_for=conversation.reserved_for_id,
            )
            Conversation.objects.filter(pk=conversation.pk).update(sandbox=made)
        self.executor.sandbox_id = made.pk
        return made

    def tell_once(self, outage: Outage | None) -> None:
        """Says what holds the work up, which is tried again and again, and does not repeat it each time. Where the
        log itself cannot be written, whoever asks anything else of the server is told."""
        if outage is outages.FULL and self.history.last_error != outage.code:
            message = f"{outage.message} The work goes on by itself once there is."
            self.holder.append(Draft(Error(code=outage.code, message=message, retryable=True), "system"))

    def fail(self, code: str, message: str, fault: str = "server") -> bool:
        if opened := self.executor.in_flight:
            self.executor.give_up(opened)
        error = Error.model_validate({"code": code, "message": message, "fault": fault})
        self.holder.append(Draft(error, "system"))
        return self.holder.rest(AgentState.ERROR, message)
