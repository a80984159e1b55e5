"""The one reader of a process: it hears of new events and reads them once for all sockets that wait for them.

One Redis subscription serves the process. A message says only that something happened; what happened is read from
the database, and whoever has the same cursor shares the read. Without Redis all goes on by polling.
"""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context
from typing import Protocol
from uuid import UUID
from weakref import WeakKeyDictionary

import structlog
from django.db import DatabaseError
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from conversations import wire
from conversations.sockets import pages
from conversations.sockets.pages import Page
from conversations.sockets.threads import in_thread
from conversations.wire import Status
from openhands_site import redis_client

POLL_SECONDS = 10.0
POLL_SECONDS_WITHOUT_REDIS = 1.0
PING_SECONDS = 3.0
SILENCE_SECONDS = 8.0
RETRY_SECONDS = 5.0
STATUSES_A_QUERY = 500
log = structlog.get_logger(__name__)
_threads = ThreadPoolExecutor(4, thread_name_prefix="socket-reads")


class Watcher(Protocol):
    """A socket. None of these may wait, nor raise."""

    def wake(self) -> None:
        """There may be something new: read after your cursor."""

    def offer_delta(self, text: str) -> None:
        """A piece of a reply that is being made, as a frame; it may be dropped."""

    def recheck(self, user_id: str) -> None:
        """This user's access may have ended: if it is yours, look whether it has."""


class Feed:
    """One watched conversation. `version` grows whenever something may have happened."""

    def __init__(self, conversation_id: UUID) -> None:
        self.conversation_id = conversation_id
        self.watchers: set[Watcher] = set()
        self.version = 0
        # What the last poll found, and every read since: where one of them is not how things stand, some socket may
        # not know. One status, set by whoever read last, would hide from a socket what only another has read.
        self.statuses: set[Status | None] = set()
        self._reads: dict[tuple[int, bool, bool, int], asyncio.Future[Page]] = {}

    def changed(self) -> None:
        self.version += 1
        for watcher in self.watchers:
            watcher.wake()

    async def read(self, after: int, *, html: bool, knows_usage: bool) -> Page:
        """As `pages.read_page`. All who ask for the same between two changes share one read."""
        key = (after, html, knows_usage, self.version)
        read = self._reads.get(key)
        if read is None:
            read = asyncio.ensure_future(
                in_thread(
                    _threads, pages.read_page, self.conversation_id, after, html=html, knows_usage=knows_usage
                )
            )
            self._reads[key] = read
            read.add_done_callback(lambda done: self._finish(key, done))
        return await asyncio.shield(read)

    def _finish(self, key: tuple[int, bool, bool, int], read: "asyncio.Future[Page]") -> None:
        del self._reads[key]
        # Asked for here, an error is not reported a second time where every socket that waited has gone.
        if not read.cancelled() and not read.exception() and (status := read.result().status):
            self.statuses.add(status)


class Reader:
    """Made by `current`; its tasks live while something is watched."""

    def __init__(self) -> None:
        self._feeds: dict[str, Feed] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._feeds_changed = asyncio.Event()
        self._hears_redis = False

    def watch(self, conversation_id: UUID, watcher: Watcher) -> Feed:
        """From now on `watcher` is told of what happens; it begins by reading."""
        channel = redis_client.events_channel(conversation_id)
        feed = self._feeds.get(channel)
        if feed is None:
            feed = self._feeds[channel] = Feed(conversation_id)
            self._feeds_changed.set()
        feed.watchers.add(watcher)
        if not self._tasks:
            # In a context of their own: what they log is not of the socket that came first.
            works = (self._listen(), self._poll())
            self._tasks = [asyncio.create_task(work, context=Context()) for work in works]
        return feed

    def unwatch(self, feed: Feed, watcher: Watcher) -> None:
        feed.watchers.discard(watcher)
        channel = redis_client.events_channel(feed.conversation_id)
        if feed.watchers or self._feeds.get(channel) is not feed:
            return
        del self._feeds[channel]
        self._feeds_changed.set()
        if not self._feeds:
            for task in self._tasks:
                task.cancel()
            self._tasks, self._hears_redis = [], False

    async def _listen(self) -> None:
        """Keeps the subscription, through every restart and freeze of Redis."""
        delay = 0.1
        while True:
            try:
                async with redis_client.connect_async() as redis, redis.pubsub() as pubsub:
                    await self._follow(pubsub)
            except* (RedisError, OSError) as errors:  # TimeoutError is an OSError
                if self._hears_redis:
                    log.warning(
                        "the subscription broke, events are polled for", error=repr(errors.exceptions[0])
                    )
                    delay = 0.1
                self._hears_redis = False
            await asyncio.sleep(delay)
            delay = min(delay * 2, RETRY_SECONDS)

    async def _follow(self, pubsub: PubSub) -> None:
        """Hears until nothing comes any more, not even the answer to a ping."""
        async with asyncio.timeout(SILENCE_SECONDS) as deadline, asyncio.TaskGroup() as group:
            await pubsub.subscribe(redis_client.access_channel())
            writer = group.create_task(self._keep_subscribed(pubsub))
            try:
                while True:
                    message = await pubsub.get_message(timeout=None)
                    deadline.reschedule(asyncio.get_running_loop().time() + SILENCE_SECONDS)
                    if message:
                        self._hear(message["type"], _text(message["channel"]), message["data"])
            finally:
                writer.cancel()

    async def _keep_subscribed(self, pubsub: PubSub) -> None:
        """Brings the subscription to what is watched, and pings where there is nothing to say."""
        subscribed: set[str] = set()
        while True:
            self._feeds_changed.clear()
            wanted = set(self._feeds)
            if new := wanted - subscribed:
                await pubsub.subscribe(*new)
            if gone := subscribed - wanted:
                await pubsub.unsubscribe(*gone)
            if not new and not gone:
                await pubsub.ping()
            subscribed = wanted
            with suppress(TimeoutError):
                async with asyncio.timeout(PING_SECONDS):  # 3.11's wait_for can swallow a cancellation
                    await self._feeds_changed.wait()

    def _hear(self, kind: str, channel: str, data: object) -> None:
        self._hears_redis = True
        if kind == "message" and channel == redis_client.access_channel():
            self._recheck_all(_text(data))
            return
        feed = self._feeds.get(channel)
        if feed is None or kind not in {"message", "subscribe"}:
            return
        delta = _delta(data) if kind == "message" else None
        if delta is None:
            feed.changed()  # "subscribe" too: what was told before it is not heard
            return
        for watcher in feed.watchers:
            watcher.offer_delta(delta)

    def _recheck_all(self, user_id: str) -> None:
        for feed in self._feeds.values():
            for watcher in feed.watchers:
                watcher.recheck(user_id)

    async def _poll(self) -> None:
        """Finds what no message told of: lost pokes, a worker that died, another's transaction."""
        waited = 0.0
        while True:
            await asyncio.sleep(POLL_SECONDS_WITHOUT_REDIS)
            waited += POLL_SECONDS_WITHOUT_REDIS
            if self._hears_redis and waited < POLL_SECONDS:
                continue
            waited = 0.0
            feeds = list(self._feeds.values())
            for start in range(0, len(feeds), STATUSES_A_QUERY):
                await self._look_at(feeds[start : start + STATUSES_A_QUERY])

    async def _look_at(self, feeds: list[Feed]) -> None:
        try:
            statuses = await in_thread(_threads, wire.statuses, [feed.conversation_id for feed in feeds])
        except DatabaseError as error:
            log.warning("conversations cannot be polled", error=str(error))
            return
        for feed in feeds:
            found = {statuses.get(feed.conversation_id)}
            before, feed.statuses = feed.statuses, found
            if before != found:
                feed.changed()


_readers: "WeakKeyDictionary[asyncio.AbstractEventLoop, Reader]" = WeakKeyDictionary()


def current() -> Reader:
    """The reader of the running event loop; a server has one loop."""
    return _readers.setdefault(asyncio.get_running_loop(), Reader())


def _text(data: object) -> str:
    return data.decode(errors="replace") if isinstance(data, bytes) else str(data)


def _delta(data: object) -> str | None:
    """The message as a frame if it is a piece of a reply, else None."""
    try:
        told = json.loads(data) if isinstance(data, (str, bytes)) else None
    except ValueError:
        return None
    delta = told.get("delta") if isinstance(told, dict) else None
    return json.dumps({"type": "delta", **delta}) if isinstance(delta, dict) else None
