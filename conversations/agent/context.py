"""What the model reads: the event log as messages of OpenAI's chat completions. Pure, and built by appending.

Actions of one reply are one assistant message, each answered by a tool message; what a person said meanwhile
stands after their observations.
"""

import json
from typing import Any
from uuid import UUID

from conversations.events import Action, BlobRef, ImagePart, Message, Observation, SystemPrompt, TextPart
from conversations.texts import TextReader

CUT = "[This reply was cut off: a person stopped the agent.]"
OUTCOMES = {
    "interrupted": "[Interrupted before it ended.]",
    "lost": "[The result is lost: the sandbox went away while this ran. It may have run, in part or in whole; "
    "it will not run again by itself. Look at the state of things before you repeat it.]",
}


class Context:
    """The messages for the next model call; `messages` is appended to and never changed otherwise."""

    def __init__(self, reader: TextReader) -> None:
        self.reader = reader
        self.messages: list[dict[str, Any]] = []
        self.tools: list[dict[str, Any]] = []
        self._call_id: UUID | None = None
        self._unanswered: dict[UUID, Action] = {}
        self._waiting: list[dict[str, Any]] = []
        # Sequences of the messages of persons that stand last in `messages`.
        self._last_from_person: list[int] = []

    def add_system_prompt(self, prompt: SystemPrompt) -> None:
        self.messages.insert(0, {"role": "system", "content": self.reader.text(prompt.text)})
        self.tools = prompt.tools

    def add_persons_message(self, message: Message, sequence: int) -> None:
        entry = {"role": "user", "content": self.reader.text(message.text)}
        if self._unanswered:
            self._waiting.append(entry)
        else:
            self.messages.append(entry)
            self._last_from_person.append(sequence)

    def add_reply(self, message: Message) -> bool:
        """A reply in text. Returns whether a person said something that the model had not read for it."""
        late = self._take_late(message.read_until)
        self.messages.append({"role": "assistant", "content": self.reader.text(message.text)})
        if message.cut:
            # As the other side's word: after a reply of its own a model has nothing to answer.
            self.messages.append({"role": "user", "content": CUT})
        self.messages += late
        return bool(late)

    def add_action(self, event_id: UUID, action: Action) -> bool:
        """A call of a tool. Returns what `add_reply` does."""
        call = {
            "id": action.tool_call_id,
            "type": "function",
            "function": {"name": action.tool, "arguments": self._arguments(action)},
        }
        late = []
        if action.call_id != self._call_id:
            self._call_id = action.call_id
            late = self._take_late(action.read_until)
            thought = self.reader.text(action.thought)
            self.messages.append({"role": "assistant", "content": thought or None, "tool_calls": [call]})
            self._waiting += late
        else:
            self.messages[-1]["tool_calls"].append(call)
        self._unanswered[event_id] = action
        return bool(late)

    def add_observation(self, observation: Observation) -> None:
        action = self._unanswered.pop(observation.action_id)
        text, images = self._content(observation)
        self.messages.append({"role": "tool", "tool_call_id": action.tool_call_id, "content": text})
        if images:
            label = {"type": "text", "text": f"The image that {action.tool} returned:"}
            self._waiting.append({"role": "user", "content": [label, *images]})
        if not self._unanswered:
            self.messages += self._waiting
            self._waiting = []

    def _take_late(self, read_until: int | None) -> list[dict[str, Any]]:
        """Takes off the end what a person said after the model had read the log for its reply."""
        known = sum(1 for sequence in self._last_from_person if read_until is None or sequence <= read_until)
        late = len(self._last_from_person) - known
        self._last_from_person = []
        taken = self.messages[len(self.messages) - late :]
        del self.messages[len(self.messages) - late :]
        return taken

    def _arguments(self, action: Action) -> str:
        """As the model gave them; what did not parse is shown as a string, for providers refuse broken JSON."""
        if action.arguments is None:
            return json.dumps({"unparsable": self.reader.text(action.raw_arguments or "")})
        if isinstance(action.arguments, BlobRef):
            return self.reader.text(action.arguments)
        return json.dumps(action.arguments)

    def _content(self, observation: Observation) -> tuple[str, list[dict[str, Any]]]:
        texts, images = [], []
        for part in observation.content:
            if isinstance(part, TextPart):
                texts.append(self.reader.text(part.text))
            elif isinstance(part, ImagePart):
                images.append({"type": "image_url", "image_url": {"url": self.reader.data_url(part.image)}})
        if observation.outcome in OUTCOMES:
            texts.append(OUTCOMES[observation.outcome])
        if observation.meta.get("exit_code") is not None:
            meta = observation.meta
            texts.append(f"[exit code {meta['exit_code']}; directory {meta.get('working_directory', '?')}]")
        return "\n".join(text for text in texts if text) or "[no output]", images
