"""What an operator may safely do about the work at hand: one function per intention.

Each may be repeated, says what it did in a sentence, and raises NotApplicable, likewise with a sentence, where it no
longer applies. Whether the operator may is asked by the interface.
"""

from collections.abc import Callable, Iterator
from uuid import UUID

from accounts.models import User
from conversations import services as conversations
from conversations import timeline
from conversations.models import Conversation
from conversations.states import SETTLED
from openhands_site import hints
from openhands_site.work import facts
from openhands_site.workers.freeing import counted, dead_workers
from openhands_site.workers.freeing import free_leases as free
from openhands_site.workers.models import Worker
from sandboxes import holding, reconcile
from sandboxes import services as sandboxes
from sandboxes.errors import SandboxError
from sandboxes.models import Runtime, Sandbox
from sandboxes.states import Wanted


class NotApplicable(Exception):
    """There is nothing to do here any more, or it would do harm; the text says why."""


def free_leases(*, worker_id: UUID) -> str:
    """Frees what a dead worker holds. A live one's is never freed."""
    worker = Worker.objects.filter(pk=worker_id).first()
    if worker and not dead_workers().filter(pk=worker_id).exists():
        raise NotApplicable(
            f"{worker} lives, or nobody is there who may say that it is dead: what it holds is its own. End the "
            "process, or stop a conversation; what has been silent for a minute is dead in any case."
        )
    freed = counted(free(worker_id))
    if freed == "nothing":
        raise NotApplicable(f"{worker or 'This worker'} holds nothing any more.")
    return f"Freed {freed} that {worker} held; other workers go on with it within seconds."


def hint_conversation(*, conversation_id: UUID) -> str:
    """Has the workers told once more that the conversation waits."""
    row = (
        Conversation.objects.select_related("lease_worker", "reserved_for").filter(pk=conversation_id).first()
    )
    return _hint(row, timeline.TASK)


def hint_sandbox(*, sandbox_id: UUID) -> str:
    """The same of a sandbox."""
    row = Sandbox.objects.select_related("lease_worker", "reserved_for").filter(pk=sandbox_id).first()
    return _hint(row, holding.TASK)


def stop_conversation(*, conversation_id: UUID, operator: User) -> str:
    """Stops the agent: its open actions end as interrupted, and a message goes on with it."""
    row = Conversation.objects.filter(pk=conversation_id).first()
    if row is None:
        raise NotApplicable("This conversation is gone.")
    if row.agent_state in SETTLED:
        raise NotApplicable(f"“{row}” is {row.agent_state} already: there is nothing to stop.")
    conversations.stop_as_operator(conversation_id=conversation_id, operator=operator)
    return f"“{row}” is told to stop; a message goes on with it."


def remove_sandbox(*, sandbox_id: UUID) -> str:
    """Has a sandbox removed that no conversation uses, with its files."""
    row = Sandbox.objects.filter(pk=sandbox_id).first()
    if row is None:
        raise NotApplicable("This sandbox is gone.")
    if not facts.ownerless().filter(pk=sandbox_id).exists():
        is_going = row.wanted == Wanted.REMOVED
        raise NotApplicable(
            "This sandbox is being removed already."
            if is_going
            else "A conversation uses this sandbox: it stays."
        )
    sandboxes.request_removal(sandbox_id=sandbox_id)
    return f"The sandbox {sandbox_id} is being removed with its files."


def end_stray(*, sandbox_id: UUID) -> str:
    """Ends a life of this machine that no row tells of; its files stay."""
    try:
        if not reconcile.end_stray(sandbox_id):
            raise NotApplicable("It has ended, or a row tells of it by now.")
    except (OSError, SandboxError) as error:
        raise NotApplicable(f"It could not be ended: {error}") from error
    return f"The processes of {sandbox_id} were ended; its files stay."


def record_loss(*, sandbox_id: UUID) -> str:
    """Notes that a sandbox is gone whose row says that it runs; the next message starts it on its files."""
    runtime = Runtime.objects.answering().filter(sandbox=sandbox_id).defer("key").first()
    if runtime:
        sandboxes.report_unreachable(sandbox_id=sandbox_id, boot_id=runtime.boot_id)
    if runtime is None or Runtime.objects.filter(pk=runtime.pk, ended_at=None).exists():
        raise NotApplicable("It runs, or its row says already that it does not.")
    return f"The sandbox {sandbox_id} counts as missing now; the next message starts it on its files."


def mend_all() -> Iterator[str]:
    """What is safe without a person's judgement, for all there is, with a sentence each: what dead workers hold, work
    that waits for long, and what stands or runs without an owner. Open actions are left alone: they are work."""
    work = facts.gather()
    for each in work.workers:
        if each.holds and each.life != "lives":
            yield _attempt(free_leases, worker_id=each.worker.pk)
    for piece in (each for each in work.waiting.rows if each.is_late and not each.reserved_for):
        if isinstance(piece.row, Conversation):
            yield _attempt(hint_conversation, conversation_id=piece.row.pk)
        else:
            yield _attempt(hint_sandbox, sandbox_id=piece.row.pk)
    for sandbox in work.ownerless.rows:
        yield _attempt(remove_sandbox, sandbox_id=sandbox.pk)
    for stray in work.comparison.strays:
        yield _attempt(end_stray, sandbox_id=stray.life.sandbox_id)
    for loss in work.comparison.losses:
        yield _attempt(record_loss, sandbox_id=loss.runtime.sandbox_id)


def _attempt(mend: Callable[..., str], **what: UUID) -> str:
    try:
        return mend(**what)
    except NotApplicable as reason:
        return f"Left as it is: {reason}"


def _hint(row: Conversation | Sandbox | None, task: str) -> str:
    if row is None:
        raise NotApplicable("It is gone.")
    if row.due_since is None:
        raise NotApplicable("Nothing is due there any more.")
    live = set(Worker.objects.live().values_list("pk", flat=True))
    if row.lease_worker_id in live:
        raise NotApplicable(f"{row.lease_worker} is at work on it.")
    if row.reserved_for_id in live:
        raise NotApplicable(f"It is reserved for {row.reserved_for}, which finds it by itself.")
    hints.enqueue(task, str(row.pk))
    return f"The workers were told again of {row._meta.verbose_name} {row}."
