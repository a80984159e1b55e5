"""A client of the sockets, joined to the ASGI application without a server between them."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from channels.testing import WebsocketCommunicator

from openhands_site.asgi import application

Frame = dict[str, Any]
HOST = b"localhost:8000"


class SocketClient:
    """`async with SocketClient(conversation.pk, key=…) as client`; `closed` is the code it was closed with."""

    def __init__(
        self,
        conversation_id: UUID | str,
        *,
        key: str = "",
        cookie: str = "",
        origin: str = "",
        query: str = "after=0",
        address: str = "",
    ) -> None:
        headers = [(b"host", HOST)]
        headers += [(b"authorization", f"Bearer {key}".encode())] if key else []
        headers += [(b"cookie", cookie.encode())] if cookie else []
        headers += [(b"origin", origin.encode())] if origin else []
        path = address or f"/sockets/events/{conversation_id}?{query}"
        self._communicator = WebsocketCommunicator(application, path, headers)
        self.closed: int | None = None

    async def __aenter__(self) -> "SocketClient":
        accepted, _ = await self._communicator.connect()
        assert accepted
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._communicator.disconnect()

    async def next(self, seconds: float = 5) -> Frame:
        """The next frame; a close is `{"type": "closed", "code"}`."""
        output = await self._communicator.receive_output(seconds)
        if output["type"] == "websocket.close":
            self.closed = output["code"]
            return {"type": "closed", "code": output["code"]}
        return dict(json.loads(output["text"]))

    async def until(self, kind: str, holds: Callable[[Frame], bool] = lambda _: True) -> list[Frame]:
        """All frames up to and with the first of this type for which `holds`."""
        frames = [await self.next()]
        while frames[-1]["type"] != kind or not holds(frames[-1]):
            assert frames[-1]["type"] != "closed", frames
            frames.append(await self.next())
        return frames

    async def quiet(self, seconds: float = 0.1) -> bool:
        """Whether nothing comes for so long."""
        return bool(await self._communicator.receive_nothing(seconds))

    async def send(self, frame: Frame) -> None:
        await self.send_text(json.dumps(frame))

    async def send_text(self, text: str) -> None:
        await self._communicator.send_input({"type": "websocket.receive", "text": text})

    async def send_bytes(self, data: bytes) -> None:
        await self._communicator.send_to(bytes_data=data)


def events_of(frames: list[Frame]) -> list[Frame]:
    return [event for frame in frames if frame["type"] == "events" for event in frame["events"]]
