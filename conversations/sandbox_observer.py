"""What a conversation does with the fate of its sandbox: it goes into the log, and wakes the agent where it waited."""

from typing import cast
from uuid import UUID

from django.db.models import QuerySet

from conversations import timeline
from conversations.events import Phase, StartupProgress
from conversations.models import Conversation
from conversations.states import AgentState
from conversations.timeline import Draft

# States in which the agent waits for its sandbox, or was at work in it.
WAITING = frozenset({AgentState.STARTING, AgentState.RUNNING})


class SandboxObserver:
    """`sandboxes.observers.Observer`, for every conversation of the sandbox. Called inside its transaction."""

    def phase_reached(self, sandbox_id: UUID, phase: str, milliseconds: int, detail: str) -> None:
        self._tell(sandbox_id, _progress(phase, milliseconds, detail))

    def ready(self, sandbox_id: UUID, boot_id: str, milliseconds: int) -> None:
        self._tell(sandbox_id, _progress("ready", milliseconds), wake=True)

    def failed(self, sandbox_id: UUID, phase: str, milliseconds: int, message: str) -> None:
        self._tell(sandbox_id, _progress(phase, milliseconds, message, failed=True), wake=True)

    def lost(self, sandbox_id: UUID, message: str) -> None:
        """Nothing for the log: the loop sees it, and the next start is told."""

    def removed(self, sandbox_id: UUID) -> None:
        """Nothing for the log either; but who waits for it would wait for ever, and now gets another."""
        for conversation in self._conversations(sandbox_id):
            if conversation.agent_state in WAITING:
                timeline.write(conversation, wake=True)

    @staticmethod
    def _conversations(sandbox_id: UUID) -> "QuerySet[Conversation]":
        """Locked as they are found: one that is being deleted meanwhile drops out."""
        return Conversation.objects.select_for_update().filter(sandbox=sandbox_id).order_by("pk")

    def _tell(self, sandbox_id: UUID, progress: StartupProgress, *, wake: bool = False) -> None:
        for conversation in self._conversations(sandbox_id):
            waits = wake and conversation.agent_state in WAITING
            timeline.write(conversation, Draft(progress, "sandbox"), wake=waits)


def _progress(phase: str, milliseconds: int, detail: str = "", *, failed: bool = False) -> StartupProgress:
    return StartupProgress(phase=cast(Phase, phase), milliseconds=milliseconds, detail=detail, failed=failed)
