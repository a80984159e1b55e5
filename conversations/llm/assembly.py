"""One attempt at a reply, put together from the pieces that a provider sends, or from a whole message."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from conversations.llm.base import Channel, Delta, OnDelta, ToolCall


@dataclass
class _Text:
    """The pieces of one channel so far; joined once, at the end."""

    pieces: list[str] = field(default_factory=list)
    length: int = 0

    def __str__(self) -> str:
        return "".join(self.pieces)


@dataclass
class _Call:
    id: str = ""
    name: str = ""
    arguments: _Text = field(default_factory=_Text)


class Assembly:
    """Takes deltas in the form of OpenAI's chat completions and tells each piece on."""

    def __init__(self, attempt: int, on_delta: OnDelta) -> None:
        self.first_piece_at: float | None = None
        """By the monotonic clock, in seconds."""
        self._attempt = attempt
        self._on_delta = on_delta
        self._text = _Text()
        self._reasoning = _Text()
        self._calls: list[_Call] = []
        self._by_index: dict[int, int] = {}

    @property
    def text(self) -> str:
        return str(self._text)

    @property
    def reasoning(self) -> str:
        return str(self._reasoning)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(ToolCall(call.id, call.name, str(call.arguments)) for call in self._calls)

    def add(self, delta: Any) -> None:
        """`delta` is a chunk's, or the message of a reply that was not streamed."""
        reasoning = getattr(delta, "reasoning_content", None) or getattr(delta, "reasoning", None)
        self._append(self._reasoning, "reasoning", 0, reasoning)
        self._append(self._text, "text", 0, getattr(delta, "content", None))
        pieces: Sequence[Any] = getattr(delta, "tool_calls", None) or ()
        for place, piece in enumerate(pieces):
            index = getattr(piece, "index", None)
            position = self._position(place if index is None else index, piece)
            call = self._calls[position]
            call.id = call.id or piece.id or ""
            call.name = call.name or piece.function.name or ""
            self._append(call.arguments, "arguments", position, piece.function.arguments)

    def _position(self, index: int, piece: Any) -> int:
        """Where the call stands in the reply. Some providers give every call index 0: a new id begins a new one."""
        position = self._by_index.get(index)
        if position is not None:
            known = self._calls[position].id
            if not (piece.id and known and piece.id != known and piece.function.name):
                return position
        self._calls.append(_Call())
        self._by_index[index] = len(self._calls) - 1
        return self._by_index[index]

    def _append(self, channel_text: _Text, channel: Channel, index: int, piece: object) -> None:
        if not piece or not isinstance(piece, str):  # some servers send a list of parts for what is no text
            return
        if self.first_piece_at is None:
            self.first_piece_at = time.monotonic()
        self._on_delta(Delta(self._attempt, channel, index, channel_text.length, piece))
        channel_text.pieces.append(piece)
        channel_text.length += len(piece)
