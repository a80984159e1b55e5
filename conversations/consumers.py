"""The socket on which a conversation is watched and steered.

What is sent is what was read after the socket's cursor; replay and live are the same few lines. Each socket has two
tasks beside its incoming frames: one sends, one looks whether its user may still watch.
"""

import asyncio
import json
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import structlog
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError

from accounts.models import User
from conversations import frames, reader, services
from conversations.credentials import Credentials, may_watch
from conversations.errors import NotVisibleError, RefusedError
from conversations.frames import BadFrameError, ClientFrame, MessageFrame, OrderFrame, SeenFrame
from conversations.models import Event
from conversations.threads import in_thread
from conversations.window import GRACE_SECONDS, Window
from conversations.wire import Page

NO_SESSION, NOT_VISIBLE, TOO_SLOW, BAD_ADDRESS = 4001, 4004, 4008, 4400
ACCESS_SECONDS = 60.0
RETRY_SECONDS = 1.0
DELTAS_HELD = 256 * 1024
log = structlog.get_logger(__name__)
# Orders wait for locks; the readers' threads are others, so a wait here holds up no event.
_threads = ThreadPoolExecutor(8, thread_name_prefix="socket-orders")


class EventsConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """`/sockets/events/{conversation_id}?after=N[&html=1]`; a `reader.Watcher`."""

    user: User
    feed: reader.Feed | None = None

    async def connect(self) -> None:
        await self.accept()
        self.conversation_id: UUID = self.scope["url_route"]["kwargs"]["conversation_id"]
        self.credentials = Credentials.of(self.scope)
        self.window = Window()
        self.woken, self.doubted = asyncio.Event(), asyncio.Event()
        self.deltas: list[str] = []
        self.told: dict[str, str] = {}
        self.replayed = False
        self.tasks: list[asyncio.Task[None]] = []
        query = parse_qs(self.scope["query_string"].decode("latin1"))
        after = query.get("after", ["0"])[-1]
        if not after.isascii() or not after.isdigit() or len(after) > 15:
            await self.send(frames.error("invalid", "after is the sequence of an event, or 0.", field="after"))
            return await self.close(BAD_ADDRESS)
        self.cursor, self.html = int(after), query.get("html", [""])[-1] == "1"
        if await self.admit():
            self.feed = reader.current().watch(self.conversation_id, self)
            self.tasks = [self.start(self.keep_sending), self.start(self.keep_checking)]

    async def disconnect(self, code: int) -> None:
        for task in self.tasks:
            task.cancel()
        if self.feed:
            reader.current().unwatch(self.feed, self)

    def start(self, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
        task = asyncio.create_task(work())
        task.add_done_callback(self.report)
        return task

    def report(self, task: asyncio.Task[None]) -> None:
        """A defect in a task must not leave a socket that is open and silent: closed, the client comes again."""
        if not task.cancelled() and (defect := task.exception()):
            log.error("a socket failed", exc_info=defect, conversation_id=str(self.conversation_id))
            self.tasks.append(asyncio.create_task(self.close(1011)))

    # What the reader says.

    def wake(self) -> None:
        self.woken.set()

    def offer_delta(self, text: str) -> None:
        if self.replayed and self.window.admits_extra(len(text)):
            self.deltas.append(text)
            self.woken.set()

    def recheck(self) -> None:
        self.doubted.set()

    # What the socket says.

    async def keep_sending(self) -> None:
        while True:
            self.woken.clear()
            deltas, self.deltas = self.deltas, []
            for delta in deltas:
                await self.send(delta)
            if not await self.catch_up():
                return
            patience = self.window.patience(self.now())
            try:
                await asyncio.wait_for(self.woken.wait(), patience)
            except TimeoutError:
                return await self.close(TOO_SLOW)

    async def catch_up(self) -> bool:
        """Sends what follows the cursor, until the log or the window is at its end; False: the socket is closed."""
        assert self.feed
        read_at = -1
        while read_at != self.feed.version:
            read_at = self.feed.version
            try:
                page = await self.feed.read(self.cursor, self.html)
            except DatabaseError as error:
                log.warning("events cannot be read", error=str(error), conversation_id=str(self.conversation_id))
                await asyncio.sleep(RETRY_SECONDS)
                read_at = -1
                continue
            if page.gone:
                await self.close(NOT_VISIBLE)
                return False
            if not await self.pass_on(page):
                return True
            if page.status is None:
                read_at = -1
        return True

    async def pass_on(self, page: Page) -> bool:
        """Sends the page; False where the window is full."""
        for frame in page.frames:
            if not self.window.admits(frame, self.now()):
                return False
            self.window.sent(frame)
            self.cursor = frame.last
            await self.send(frame.text)
        if page.status:
            # A client may be ahead of a log that was restored from a backup.
            self.cursor = min(self.cursor, page.status.last_sequence)
            if not self.replayed:
                self.replayed = True
                await self.send(json.dumps({"type": "replayed", "sequence": self.cursor}))
            await self.tell("status", page.status.text)
            await self.tell("usage", page.usage)
        return True

    async def tell(self, what: str, text: str) -> None:
        if self.told.get(what) != text:
            self.told[what] = text
            await self.send(text)

    # What the client says.

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if not self.tasks:
            return  # closed already, or never admitted
        try:
            frame = frames.parse(text_data or "")
        except BadFrameError as error:
            reply = frames.error(error.code, error.message, client_id=error.client_id)
            if self.window.admits_extra(len(reply)):
                await self.send(reply)
            return
        if isinstance(frame, SeenFrame):
            self.window.seen(frame.sequence)
            self.woken.set()
        else:
            await self.send(await self.carry_out(frame))

    async def carry_out(self, frame: MessageFrame | OrderFrame) -> str:
        """The answer to an order: ack or error."""
        try:
            event = await in_thread(_threads, _give, self.conversation_id, self.user, frame)
        except RefusedError as error:
            if isinstance(error, NotVisibleError):
                self.recheck()
            return frames.error(error.code, error.message, client_id=frame.client_id, field=error.field)
        except DatabaseError as error:
            log.warning("an order was not stored", error=str(error), conversation_id=str(self.conversation_id))
            return frames.error("unavailable", "It was not stored; send it again.", client_id=frame.client_id)
        return frames.ack(frame.client_id, event.sequence)

    # Who the client is.

    async def keep_checking(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self.doubted.wait(), ACCESS_SECONDS)
            except TimeoutError:
                pass
            self.doubted.clear()
            if not await self.admit():
                return

    async def admit(self) -> bool:
        """Whether the credentials still open this conversation; where they do not, the socket is closed."""
        try:
            user, visible = await in_thread(_threads, _look_up, self.credentials, self.conversation_id)
        except DatabaseError as error:
            log.warning("access cannot be checked", error=str(error))
            ...
        if user is None:
            await self.close(NO_SESSION)
            return False
