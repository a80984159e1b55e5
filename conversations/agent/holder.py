"""The lease holder's hands on the log: it writes under its fence, and reads what others wrote in between first."""

import math
import time
from collections.abc import Callable, Sequence
from datetime import date
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from conversations import timeline
from conversations.agent.history import History
from conversations.agent.prompt import system_prompt
from conversations.events import AgentStateChanged, load
from conversations.models import Conversation, Event
from conversations.states import AgentState
from conversations.texts import StoredTexts
from conversations.timeline import Draft
from openhands_site import fault_points

# For how long after a look at the fence the lease counts as ours. A heartbeat may be a third of WORKER_DEAD_AFTER old, which
# is a second or more: 0.33 s and this are less than 1 s, so nobody has called us dead meanwhile.
FENCE_TRUSTED_SECONDS = 0.5


class Holder:
    """One conversation under one lease. Every write raises LeaseLostError once the fence is old."""

    def __init__(self, conversation: Conversation, fence: int) -> None:
        self.conversation = conversation
        self.id: UUID = conversation.pk
        self.fence = fence
        self.history = History(StoredTexts(self.id))
        self._fence_seen_at = -math.inf  # on this process's monotonic clock

    def load(self) -> None:
        """Folds the whole log; the first holder writes the system prompt."""
        self.read_new()
        if not self.history.has_prompt:
            prompt = system_prompt(model=self.conversation.model, today=date.today())  # noqa: DTZ011 - for people
            self.append(Draft(prompt, "system"))

    def require_lease(self) -> None:
        """Call it right before something that no transaction guards. Raises LeaseLostError where the process was held up,
        frozen say, and others took the conversation over meanwhile; asks the database only where it was held up."""
        if time.monotonic() - self._fence_seen_at > FENCE_TRUSTED_SECONDS:
            with transaction.atomic():
                self._lock()

    def read_new(self) -> None:
        """Folds what others appended since."""
        self._fold(timeline.after(self.id, self.history.cursor))

    def append(self, *drafts: Draft, also: Callable[[], None] = lambda: None) -> None:
        """`also` writes rows that are kept or lost with the events."""

        def made() -> Sequence[Draft]:
            also()
            return drafts

        begun = time.monotonic()
        events = timeline.extend(
            self.id, drafts, fence=self.fence, after=self.history.cursor, also=lambda: _passing_points(made)
        )
        if events is None:
            self.append_locked(made)
            return
        self._fence_seen_at = begun
        self._fold_own(events, drafts)

    def append_locked(self, make: Callable[[], Sequence[Draft]]) -> None:
        """What `make` gives, which runs in the same transaction, with the conversation locked: what it stores is kept or lost
        with the events, and a deletion, which waits for the lock, finds also the files."""
        with transaction.atomic(durable=True):
            conversation = self._lock()
            foreign = self._foreign(conversation)
            drafts = _passing_points(make)
            events = timeline.write(conversation, *drafts)
        self._fold(foreign)
        self._fold_own(events, drafts)

    def rest(self, state: AgentState | None, reason: str = "", cost: float = 0.0) -> bool:
        """Gives the lease up in `state`, unless something unread came in: that is folded instead, and False
        returned. Nobody sees a finish with an unread message before it, and nobody waits for a sandbox that was
        removed meanwhile."""
        fault_points.reach("agent-rest")
        with transaction.atomic():
            conversation = self._lock()
            foreign = self._foreign(conversation)
            rests = not foreign and not (state == AgentState.STARTING and conversation.sandbox_id is None)
            if rests:
                conversation.due_since, conversation.lease_worker = None, None
                timeline.write(conversation, *self._state_drafts(state, reason, cost))
        fault_points.reach("agent-rested")
        self._fold(foreign)
        return rests

    def leave(self) -> None:
        """Gives the lease up with the work still due, for another worker."""
        with transaction.atomic():
            conversation = self._lock()
            conversation.lease_worker = None
            conversation.due_since = conversation.due_since or timezone.now()
            conversation.save(update_fields=["lease_worker", "due_since"])

    def _lock(self) -> Conversation:
        conversation = timeline.lock(self.id, fence=self.fence)
        # Now, and not once it is committed: until then nobody can raise it, and we may be frozen after that.
        self._fence_seen_at = time.monotonic()
        return conversation

    def _state_drafts(self, state: AgentState | None, reason: str, cost: float) -> list[Draft]:
        if state is None or state == self.history.state:
            return []
        at_limit = state == AgentState.LIMIT_REACHED
        changed = AgentStateChanged(
            state=state.value,
            reason=reason,
            steps=self.history.steps if at_limit else None,
            cost=cost if at_limit else None,
        )
        return [Draft(changed, "system")]

    def _foreign(self, conversation: Conversation) -> list[Event]:
        if conversation.last_sequence == self.history.cursor:
            return []
        return timeline.after(self.id, self.history.cursor)

    def _fold_own(self, events: Sequence[Event], drafts: Sequence[Draft]) -> None:
        for event, draft in zip(events, drafts, strict=True):
            self.history.apply(event, draft.payload)

    def _fold(self, events: list[Event]) -> None:
        for event in events:
            self.history.apply(event, load(event.kind, event.payload))


def _passing_points(make: Callable[[], Sequence[Draft]]) -> Sequence[Draft]:
    """What `make` gives, in the transaction that stores it."""
    fault_points.reach("agent-writing")
    made = make()
    transaction.on_commit(lambda: fault_points.reach("agent-appended"))
    return made
