"""What the event log says, folded event by event: where the conversation stands and whose turn it is. Pure.

The loop never asks the database where it is; it asks this, and a new worker that folds the same log knows the
same.
"""

from dataclasses import dataclass
from typing import Protocol, assert_never
from uuid import UUID

from conversations.agent.context import Context
from conversations.agent.stuck import Repetition
from conversations.events import (
    Action,
    AgentStateChanged,
    Condensation,
    Control,
    Error,
    Message,
    Observation,
    Payload,
    StartupProgress,
    SystemPrompt,
    TitleChanged,
)
from conversations.states import RESTING, SETTLED, AgentState
from conversations.texts import TextReader

FINISH = "finish"


class Entry(Protocol):
    """An event as the fold reads it: a stored row with its payload loaded."""

    id: UUID
    sequence: int
    source: str


@dataclass(frozen=True)
class OpenAction:
    id: UUID
    action: Action


class History:
    """The fold. `apply` every event in order; the rest are answers."""

    def __init__(self, reader: TextReader) -> None:
        self.context = Context(reader)
        self.repetition = Repetition()
        self.state = AgentState.STARTING
        self.cursor = 0
        self.has_prompt = False
        self.open: dict[UUID, OpenAction] = {}
        self.agents_turn = False
        self.is_finished = False
        self.is_halted = False
        self.stop_ordered = False
        self.pause_ordered = False
        self.start_failed = False
        self.last_error = ""
        self.unconfirmed: list[UUID] = []
        self.bound_boot: str | None = None
        self.running_sessions: set[str] = set()
        self.steps = 0
        self.base_steps = 0
        self.base_cost = 0.0
        self.person_spoke = False
        self._last_call: UUID | None = None

    def apply(self, entry: Entry, payload: Payload) -> None:
        self.cursor = entry.sequence
        match payload:
            case Message():
                self._on_message(entry, payload)
            case Action():
                self._on_action(entry, payload)
            case Observation():
                self._on_observation(payload)
            case Control():
                self._on_control(payload)
            case AgentStateChanged():
                self._on_state(payload)
            case SystemPrompt():
                self.has_prompt = True
                self.context.add_system_prompt(payload)
            case StartupProgress():
                self.start_failed = payload.failed
            case Error():
                self.last_error = payload.code
            case TitleChanged() | Condensation():
                pass  # for people; nothing condenses yet
            case _:
                assert_never(payload)

    @property
    def may_have_been_sent(self) -> bool:
        """Whether a worker that stopped writing here may have sent the first open action to the sandbox.

        It has not where the log rests: `running` is written before anything is sent, and nobody rests with an
        action that may have been sent.
        """
        return self.state == AgentState.RUNNING

    @property
    def stopped_sessions(self) -> set[str]:
        """The shells with a command that goes on although a stop was carried out since."""
        return self.running_sessions if self.state == AgentState.STOPPED else set()

    def note_withdrawn(self) -> None:
        """The sandbox has heard of the stop, or is gone."""
        self.unconfirmed.clear()
        self.running_sessions -= self.stopped_sessions

    def _on_message(self, entry: Entry, message: Message) -> None:
        self.last_error = ""
        if entry.source != "user":
            self._count(message.call_id)
            self.agents_turn = self.context.add_reply(message) or message.cut
            return
        self.context.add_persons_message(message, entry.sequence)
        self.agents_turn, self.is_finished, self.start_failed = True, False, False
        self.person_spoke = True
        self.repetition.reset()
        if self.state != AgentState.PAUSED:
            self.is_halted = False

    def _on_action(self, entry: Entry, action: Action) -> None:
        self._count(action.call_id)
        if action.index == 0:
            self.person_spoke = False
        if self.context.add_action(entry.id, action):
            self.person_spoke = True
        self.open[entry.id] = OpenAction(entry.id, action)
        if action.boot_id:
            self.bound_boot = action.boot_id
        self.agents_turn = True

    def _on_observation(self, observation: Observation) -> None:
        opened = self.open.pop(observation.action_id)
        self.last_error = ""
        if observation.meta.get("unconfirmed"):
            self.unconfirmed.append(observation.action_id)
        self.context.add_observation(observation)
        self.repetition.add(opened.action, observation)
        self._note_session(observation)
        if observation.boot_id:
            self.bound_boot = observation.boot_id
        if opened.action.tool == FINISH and observation.outcome == "ok":
            self.is_finished = True
        if self.is_finished and not self.open:
            self.agents_turn = self.person_spoke
            self.is_finished = not self.person_spoke

    def _note_session(self, observation: Observation) -> None:
        """Which shells have a command that went on when its observation was made."""
        session = observation.meta.get("session")
        if session and observation.meta.get("still_running"):
            self.running_sessions.add(session)
        else:
            self.running_sessions.discard(session)

    def _on_control(self, control: Control) -> None:
        if control.order == "stop":
            self.stop_ordered, self.pause_ordered = self._has_something_to_stop(), False
            self.is_halted = True
        elif control.order == "pause":
            self.pause_ordered = True
        elif control.order == "resume":
            self.pause_ordered = False
            self.is_halted = False
            self.start_failed = False
            self.repetition.reset()

    def _has_something_to_stop(self) -> bool:
        """A stop at rest is on record and changes nothing, unless a turn is about to begin."""
        if self.state == AgentState.STOPPED:
            return False
        return bool(self.open) or self.state not in SETTLED or (self.agents_turn and not self.is_halted)

    def _on_state(self, changed: AgentStateChanged) -> None:
        self.state = AgentState(changed.state)
        if changed.boot_id:
            self.bound_boot = changed.boot_id
        if self.state == AgentState.LIMIT_REACHED:
            # What follows is a person's leave to go on, for as much again.
            self.base_steps, self.base_cost = changed.steps or self.steps, changed.cost or 0.0
        if self.state == AgentState.STOPPED:
            self.stop_ordered = False
        elif self.state == AgentState.RUNNING:
            self.unconfirmed.clear()
        if self.state == AgentState.PAUSED:
            self.pause_ordered = False
        if self.state in RESTING and self.state not in {
            AgentState.IDLE,
            AgentState.FINISHED,
            AgentState.STOPPED,
        }:
            self.is_halted = True

    def _count(self, call_id: UUID | None) -> None:
        if call_id != self._last_call:
            self._last_call = call_id
            self.steps += 1
