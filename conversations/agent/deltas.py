"""The pieces of a reply on their way to whoever watches, at most every 50 ms; nothing of them is stored."""

import asyncio
import json
from uuid import UUID

from conversations.llm.base import Delta
from openhands_site import hints, redis_client

INTERVAL_SECONDS = 0.05


class DeltaStream:
    """Collects the deltas of one call on the event loop and publishes them joined. Keeps the text so far."""

    def __init__(self, conversation_id: UUID, call_id: UUID) -> None:
        self._channel = redis_client.events_channel(conversation_id)
        self._call_id = str(call_id)
        self._pending: dict[tuple[int, str, int], Delta] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._attempt = 0
        self._texts: list[str] = []
        self._is_over = False

    def add(self, delta: Delta) -> None:
        """Called by the model, on the event loop."""
        if delta.attempt != self._attempt:
            self._attempt, self._texts = delta.attempt, []
        if delta.channel == "text":
            self._texts.append(delta.text)
        key = (delta.attempt, delta.channel, delta.index)
        held = self._pending.get(key)
        if held:
            delta = Delta(held.attempt, held.channel, held.index, held.offset, held.text + delta.text)
        self._pending[key] = delta
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(INTERVAL_SECONDS, self._flush)

    @property
    def text(self) -> str:
        """What the model has said so far in its latest attempt."""
        return "".join(self._texts)

    def end(self) -> None:
        """The reply is there, or was cut; its events say it all, and what has not been told of it need not be."""
        self._is_over = True

    def _flush(self) -> None:
        self._timer = None
        if self._is_over:
            return
        pending, self._pending = self._pending, {}
        for delta in pending.values():
            frame = {
                "call_id": self._call_id,
                "attempt": delta.attempt,
                "channel": delta.channel,
                "index": delta.index,
                "offset": delta.offset,
                "text": delta.text,
            }
            hints.publish(self._channel, json.dumps({"delta": frame}))
