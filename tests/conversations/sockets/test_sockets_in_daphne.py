"""The sockets in the server that carries them in the product: Daphne, with a real Redis between two processes."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import uuid4

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from conversations import timeline
from conversations.events import Message
from conversations.models import Conversation
from conversations.timeline import Draft
from tests.conversations.conftest import in_database
from tests.fakes.daphne_process import DaphneProcess
from tests.fakes.redis_process import RedisProcess
from tests.stopwatch import Stopwatch

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.service("redis")]
MEGABYTE = 1024 * 1024


@pytest.fixture
def daphne(redis_process: RedisProcess, conversation: Conversation) -> Iterator[DaphneProcess]:
    with DaphneProcess(redis_process.url) as process:
        yield process


class Watcher:
    """A client that reads, and says what it saw."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self.cursor = 0

    async def send(self, text: str) -> None:
        await self._connection.send(text)

    async def next(self, seconds: float = 10) -> dict[str, Any]:
        async with asyncio.timeout(seconds):
            frame = dict(json.loads(await self._connection.recv()))
        if frame["type"] == "events":
            sequences = [event["sequence"] for event in frame["events"]]
            assert sequences == list(range(self.cursor + 1, self.cursor + 1 + len(sequences)))
            self.cursor = sequences[-1]
            await self._connection.send(json.dumps({"type": "seen", "sequence": self.cursor}))
        return frame

    async def until(self, kind: str, text: str = "", seconds: float = 10) -> None:
        while True:
            frame = await self.next(seconds)
            if frame["type"] == kind and text in json.dumps(frame):
                return


@asynccontextmanager
async def watching(daphne: DaphneProcess, conversation: Conversation, key: str) -> AsyncIterator[Watcher]:
    address = f"ws://127.0.0.1:{daphne.port}/sockets/events/{conversation.pk}?after=0"
    headers = {"Authorization": f"Bearer {key}"}
    async with connect(address, additional_headers=headers, max_size=None, proxy=None) as connection:
        yield Watcher(connection)


def send(daphne: DaphneProcess, conversation: Conversation, key: str, text: str) -> None:
    response = httpx.post(
        f"http://127.0.0.1:{daphne.port}/api/conversations/{conversation.pk}/messages",
        json={"text": text, "client_id": str(uuid4())},
        headers={"Authorization": f"Bearer {key}"},
        timeout=20,
        trust_env=False,
    )
    assert response.status_code == 201, response.text


async def test_a_message_over_rest_is_seen_on_a_socket_in_a_moment(
    daphne: DaphneProcess, conversation: Conversation, key: str
) -> None:
    async with watching(daphne, conversation, key) as watcher:
        await watcher.until("usage")
        await asyncio.sleep(0.5)
        with Stopwatch() as taken:
            sent = asyncio.create_task(asyncio.to_thread(send, daphne, conversation, key, "over REST"))
            await watcher.until("events", "over REST")
        assert taken.seconds < 2
        await sent


async def test_ten_thousand_events_are_replayed_in_order(
    daphne: DaphneProcess, conversation: Conversation, key: str
) -> None:
    await in_database(write, conversation, count=10_000, length=200)
    for _ in range(2):
        async with watching(daphne, conversation, key) as watcher:
            await watcher.until("replayed")
        assert watcher.cursor > 10_000


async def test_two_hundred_sockets_are_watched_by_one_process_and_a_restarted_redis_is_heard_by_all(
    daphne: DaphneProcess, redis_process: RedisProcess, conversation: Conversation, key: str
) -> None:
    async def watch(started: asyncio.Barrier) -> None:
        async with watching(daphne, conversation, key) as watcher:
            await watcher.until("usage")
            await started.wait()
            await watcher.until("events", "while Redis was away", 20)
            await watcher.until("events", "when Redis was back", 20)

    started = asyncio.Barrier(201)
    watchers = asyncio.gather(*(watch(started) for _ in range(200)))
    await asyncio.wait_for(started.wait(), 60)
    redis_process.stop()
    await asyncio.to_thread(send, daphne, conversation, key, "while Redis was away")
    redis_process.start()
    await asyncio.sleep(1)
    await asyncio.to_thread(send, daphne, conversation, key, "when Redis was back")
    await watchers


async def test_a_frame_beyond_all_measure_closes_its_own_socket_alone(
    daphne: DaphneProcess, conversation: Conversation, key: str
) -> None:
    async with (
        watching(daphne, conversation, key) as neighbour,
        watching(daphne, conversation, key) as sender,
    ):
        await neighbour.until("usage")
        before = daphne.memory()
        with suppress(ConnectionClosed):  # the server can close before it has all been sent
            await sender.send("x" * 60 * MEGABYTE)
        with pytest.raises(ConnectionClosed):
            await sender.until("nothing")
        assert daphne.memory() - before < 40 * MEGABYTE
        sent = asyncio.create_task(asyncio.to_thread(send, daphne, conversation, key, "still here"))
        await neighbour.until("events", "still here")
        await sent


def write(conversation: Conversation, count: int, length: int) -> None:
    for start in range(0, count, 1000):
        texts = (str(n).ljust(length, ".") for n in range(start, min(start + 1000, count)))
        timeline.append(conversation.pk, *(Draft(Message(text=text), "agent") for text in texts))
