"""The socket on which a conversation is watched and steered.

What is sent is what was read after the socket's cursor; replay and live are the same few lines. Each socket has two
tasks beside its incoming frames: one sends, one looks whether its user may still watch.
"""

import asyncio
import json
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import structlog
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import DatabaseError

from accounts.models import User
from conversations import services
from conversations.errors import NotVisibleError, RefusedError
from conversations.models import Event
from conversations.sockets import frames, reader
from conversations.sockets.credentials import Credentials, may_watch
from conversations.sockets.frames import BadFrameError, MessageFrame, OrderFrame, SeenFrame
from conversations.sockets.pages import Page
from conversations.sockets.threads import in_thread
from conversations.sockets.window import Window
from openhands_site import outages

# Daphne closes with 1000 and 3000 to 4999 alone. After the last two a client comes again.
NO_SESSION, NOT_VISIBLE, TOO_SLOW, BAD_ADDRESS, DEFECT, AWAY = 4001, 4004, 4008, 4400, 4500, 4503
ACCESS_SECONDS = 60.0
# A browser cannot tell a silent line from a dead one: its page takes it for dead after two and a half of these.
SILENCE_SECONDS = 30.0
RETRY_SECONDS = 1.0
log = structlog.get_logger(__name__)
# Orders wait for locks; the reader's threads are others, so such a wait holds up no event.
_threads = ThreadPoolExecutor(8, thread_name_prefix="socket-orders")


class NotFoundConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """Every other address."""

    async def connect(self) -> None:
        await self.accept()
        await self.close(NOT_VISIBLE)


class EventsConsumer(AsyncWebsocketConsumer):  # type: ignore[misc]
    """`/sockets/events/{conversation_id}?after=N[&html=1]`; a `reader.Watcher`."""

    user: User
    cursor: int
    html: bool

    def __init__(self) -> None:
        super().__init__()
        self.is_open = False
        self.replayed = False
        self.is_cut_off = False
        self.feed: reader.Feed | None = None
        self.read_version: int | None = None
        self.usage_known_at: int | None = None
        self.window = Window()
        self.woken, self.doubted = asyncio.Event(), asyncio.Event()
        self.deltas: list[str] = []
        self.told: dict[str, str] = {}
        self.tasks: list[asyncio.Task[None]] = []

    async def connect(self) -> None:
        await self.accept()
        self.is_open = True
        self.conversation_id: UUID = self.scope["url_route"]["kwargs"]["conversation_id"]
        self.credentials = Credentials.of(self.scope)
        if not await self.take_address() or not await self.enter():
            return
        structlog.contextvars.bind_contextvars(
            conversation_id=str(self.conversation_id), user_id=str(self.user.pk)
        )
        self.feed = reader.current().watch(self.conversation_id, self)
        self.start(self.keep_sending(self.feed))
        self.start(self.keep_checking())

    async def __call__(self, *given: Any) -> None:
        """Cleans up here, not in `disconnect`: of that a socket is not told whose order waits for a lock, and which Daphne
        therefore cancels."""
        try:
            await super().__call__(*given)
        finally:
            self.leave()

    def leave(self) -> None:
        self.is_open = False
        for task in self.tasks:
            task.cancel()
        if self.feed:
            reader.current().unwatch(self.feed, self)

    async def take_address(self) -> bool:
        query = parse_qs(self.scope["query_string"].decode("latin1"))
        after = query.get("after", ["0"])[-1]
        self.html = query.get("html", [""])[-1] == "1"
        if not after.isascii() or not after.isdigit() or len(after) > 15:
            await self.send(
                frames.error("invalid", "after is the sequence of an event, or 0.", field="after")
            )
            await self.shut(BAD_ADDRESS)
            return False
        self.cursor = int(after)
        return True

    async def enter(self) -> bool:
        """As `admit`; while nobody can tell who may enter, the client is asked to come again."""
        try:
            return await self.admit()
        except DatabaseError as error:
            log.warning("a socket is refused, access cannot be checked", error=str(error))
            await self.shut(AWAY)
            return False

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(self.report)
        self.tasks.append(task)

    def report(self, task: asyncio.Task[None]) -> None:
        """A defect must not leave a socket that is open and silent: closed, its client comes again."""
        if not task.cancelled() and (defect := task.exception()):
            log.error("a socket failed", exc_info=defect)
            self.start(self.shut(DEFECT))

    async def shut(self, code: int) -> None:
        if self.is_open:
            self.is_open = False
            await self.close(code)

    # What the reader says.

    def wake(self) -> None:
        self.woken.set()

    def offer_delta(self, text: str) -> None:
        if self.replayed and self.window.admits_extra(len(text)):
            self.deltas.append(text)
            self.woken.set()

    def recheck(self, user_id: str) -> None:
        if user_id == str(self.user.pk):
            self.doubted.set()

    # What the client is sent.

    async def keep_sending(self, feed: reader.Feed) -> None:
        while self.is_open:
            self.woken.clear()
            deltas, self.deltas = self.deltas, []
            for delta in deltas:
                await self.send(delta)
            try:
                await self.catch_up(feed)
            except DatabaseError as error:
                if not self.is_cut_off:
                    log.warning("events cannot be read", error=str(error))
                self.is_cut_off = True
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self.is_cut_off = False
            await self.await_news()

    async def await_news(self) -> None:
        """Returns when there may be something to send; until then it says that the line lives, or closes a window that
        was full for too long."""
        while self.is_open:
            patience = self.window.patience(time.monotonic())
            ends = patience is not None and patience <= SILENCE_SECONDS
            try:
                async with asyncio.timeout(patience if ends else SILENCE_SECONDS):
                    await self.woken.wait()
            except TimeoutError:
                await (self.shut(TOO_SLOW) if ends else self.say_it_lives())
            else:
                return

    async def say_it_lives(self) -> None:
        """Says once more how things stand, which nobody has to read."""
        status = self.told.get("status", "")
        if status and self.window.admits_extra(len(status)):
            await self.send(status)

    async def catch_up(self, feed: reader.Feed) -> None:
        """Sends what follows the cursor, to the end of the log or of the window.

        `read_version` is the feed's at which the log was last read to its end. It is taken before the read, so what
        is told of meanwhile is read next; and where nothing is told of, a delta or a `seen` has nothing read.
        `usage_known_at` is the cursor at which the client last knew the usage.
        """
        while self.is_open and not self.window.is_full and self.read_version != feed.version:
            version = feed.version
            knows_usage = self.usage_known_at == self.cursor
            page = await feed.read(self.cursor, html=self.html, knows_usage=knows_usage)
            if page.gone:
                await self.shut(NOT_VISIBLE)
            elif await self.pass_on(page) and page.status:
                self.read_version = version

    async def pass_on(self, page: Page) -> bool:
        """Sends the page; False where the window is full."""
        for frame in page.frames:
            if not self.window.admits(frame, time.monotonic()):
                return False
            self.window.sent(frame)
            self.cursor = frame.last
            await self.send(frame.text)
        if page.status:
            # A client can be ahead of a log that came back from a backup.
            self.cursor = min(self.cursor, page.status.last_sequence)
            self.usage_known_at = self.cursor
            if not self.replayed:
                self.replayed = True
                await self.send(json.dumps({"type": "replayed", "sequence": self.cursor}))
            await self.tell("status", page.status.text)
            await self.tell("usage", page.usage)
        return True

    async def tell(self, what: str, text: str) -> None:
        """Sends what is new of `what`."""
        if text and self.told.get(what) != text:
            self.told[what] = text
            await self.send(text)

    # What the client says.

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if not self.is_open:
            return
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
        """The answer to it: ack or error."""
        try:
            event = await in_thread(_threads, _carry_out, frame, self.conversation_id, self.user)
        except RefusedError as error:
            if isinstance(error, NotVisibleError):
                self.doubted.set()
            return frames.error(error.code, error.message, client_id=frame.client_id, field=error.field)
        except (DatabaseError, OSError) as error:
            return _not_stored(frame, error)
        if self.feed:
            self.feed.changed()  # its sender sees it at once, also while Redis is away
        return frames.ack(frame.client_id, event.sequence)

    # Who the client is.

    async def keep_checking(self) -> None:
        while self.is_open:
            with suppress(TimeoutError):
                async with asyncio.timeout(ACCESS_SECONDS):
                    await self.doubted.wait()
            self.doubted.clear()
            try:
                await self.admit()
            except DatabaseError as error:
                log.warning("access cannot be checked", error=str(error))
                await asyncio.sleep(RETRY_SECONDS)
                self.doubted.set()

    async def admit(self) -> bool:
        """Whether the credentials open this conversation; where they do not, the socket is closed."""
        user, visible = await in_thread(_threads, _look_up, self.credentials, self.conversation_id)
        if user is None:
            await self.shut(NO_SESSION)
            return False
        if not visible:
            await self.shut(NOT_VISIBLE)
            return False
        self.user = user
        return True


def _look_up(credentials: Credentials, conversation_id: UUID) -> tuple[User | None, bool]:
    user = credentials.user()
    return user, user is not None and may_watch(user, conversation_id)


def _not_stored(frame: MessageFrame | OrderFrame, error: Exception) -> str:
    outage = outages.of(error)
    if outage is None:
        log.error("an order failed", exc_info=error)
        return frames.error("server_error", frames.DEFECT, client_id=frame.client_id)
    log.warning("an order was not stored", error=str(error))
    return frames.error(outage.code, outage.message, client_id=frame.client_id, retryable=True)


def _carry_out(frame: MessageFrame | OrderFrame, conversation_id: UUID, user: User) -> Event:
    if isinstance(frame, MessageFrame):
        return services.send_message(
            conversation_id=conversation_id, by=user, text=frame.text, client_id=frame.client_id
        )
    return services.give_order(
        conversation_id=conversation_id, by=user, order=frame.type, client_id=frame.client_id
    )
