"""Writing a log by hand, for the tests of what reads it."""

from base64 import b64encode
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from conversations.agent.history import History
from conversations.events import (
    Action,
    AgentState,
    AgentStateChanged,
    BlobRef,
    Control,
    Message,
    Observation,
    Order,
    Outcome,
    Payload,
    SystemPrompt,
    Text,
    TextPart,
)


class PlainTexts:
    """Texts that were never moved to a blob."""

    def text(self, text: Text) -> str:
        assert isinstance(text, str)
        return text

    def data_url(self, image: BlobRef) -> str:
        return f"data:{image.media_type};base64,{b64encode(image.blob.encode()).decode()}"


@dataclass
class Entry:
    id: UUID
    sequence: int
    source: str


@dataclass
class Log:
    """Events in order, folded as they are written."""

    history: History = field(default_factory=lambda: History(PlainTexts()))
    sequence: int = 0

    def put(self, payload: Payload, source: str = "system") -> UUID:
        self.sequence += 1
        entry = Entry(uuid4(), self.sequence, source)
        self.history.apply(entry, payload)
        return entry.id

    def prompt(self) -> None:
        self.put(SystemPrompt(text="Be good."))

    def person(self, text: str) -> None:
        self.put(Message(text=text), "user")

    def says(self, text: str, read_until: int | None = None, *, cut: bool = False) -> None:
        self.put(Message(text=text, call_id=uuid4(), read_until=read_until, cut=cut), "agent")

    def acts(
        self,
        *tools: str,
        read_until: int | None = None,
        boot_id: str | None = "boot-1",
        command: str | None = None,
    ) -> list[UUID]:
        call_id = uuid4()
        return [
            self.put(
                Action(
                    call_id=call_id,
                    index=index,
                    tool_call_id=f"{tool}-{index}",
                    tool=tool,
                    arguments={"command": command or f"number {self.sequence}"},
                    thought="I think." if index == 0 else "",
                    read_until=read_until,
                    boot_id=boot_id,
                ),
                "agent",
            )
            for index, tool in enumerate(tools)
        ]

    def observes(self, action_id: UUID, text: str = "done", outcome: Outcome = "ok", **meta: object) -> None:
        self.put(
            Observation(action_id=action_id, outcome=outcome, content=[TextPart(text=text)], meta=meta),
            "sandbox",
        )

    def orders(self, order: Order) -> None:
        self.put(Control(order=order), "user")

    def state(self, state: AgentState, boot_id: str | None = None) -> None:
        self.put(AgentStateChanged(state=state, boot_id=boot_id))
