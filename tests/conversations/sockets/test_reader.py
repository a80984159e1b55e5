"""One reader, its sockets faked, Redis and the database real."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from uuid import uuid4

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from conversations import timeline
from conversations.events import Message
from conversations.models import Conversation
from conversations.services import start_conversation
from conversations.sockets import reader
from conversations.sockets.pages import Page
from conversations.sockets.reader import Reader
from conversations.timeline import Draft
from openhands_site import redis_client
from tests.conversations.conftest import in_database
from tests.fakes.redis_process import RedisProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.service("redis")]


class Watcher:
    """A socket that only notes what it is told."""

    def __init__(self) -> None:
        self.wakes = 0
        self.rechecks: list[str] = []
        self.deltas: list[str] = []

    def wake(self) -> None:
        self.wakes += 1

    def offer_delta(self, text: str) -> None:
        self.deltas.append(text)

    def recheck(self, user_id: str) -> None:
        self.rechecks.append(user_id)


async def until(holds: Callable[[], bool], seconds: float = 5) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def subscribed(redis: RedisProcess, conversation: Conversation) -> None:
    channel = redis_client.events_channel(conversation.pk)
    await until(lambda: channel in redis.subscriptions())


@pytest.fixture
async def watched(conversation: Conversation) -> AsyncIterator[tuple[Reader, reader.Feed, Watcher]]:
    watcher, one = Watcher(), Reader()
    feed = one.watch(conversation.pk, watcher)
    yield one, feed, watcher
    one.unwatch(feed, watcher)
    await asyncio.sleep(0.05)


Watched = tuple[Reader, reader.Feed, Watcher]


async def test_a_poke_wakes_the_sockets_of_its_conversation_alone(
    redis_process: RedisProcess, watched: Watched, conversation: Conversation, owner: User
) -> None:
    one, _feed, watcher = watched
    other = await in_database(start_conversation, owner=owner, text="Other")
    deaf = Watcher()
    other_feed = one.watch(other.pk, deaf)
    await subscribed(redis_process, other)
    await subscribed(redis_process, conversation)
    await asyncio.sleep(0.1)
    before, deaf_before = watcher.wakes, deaf.wakes
    redis_process.publish(redis_client.events_channel(conversation.pk), '{"at": 9}')
    await until(lambda: watcher.wakes > before)
    assert deaf.wakes == deaf_before
    one.unwatch(other_feed, deaf)
    await until(lambda: redis_client.events_channel(other.pk) not in redis_process.subscriptions())


async def test_a_delta_reaches_every_socket_as_the_same_text(
    redis_process: RedisProcess, watched: Watched, conversation: Conversation
) -> None:
    one, feed, watcher = watched
    second = Watcher()
    one.watch(conversation.pk, second)
    await subscribed(redis_process, conversation)
    delta = {"call_id": str(uuid4()), "attempt": 1, "channel": "text", "index": 0, "offset": 0, "text": "hé"}
    redis_process.publish(redis_client.events_channel(conversation.pk), json.dumps({"delta": delta}))
    await until(lambda: bool(watcher.deltas and second.deltas))
    assert json.loads(watcher.deltas[0]) == {"type": "delta", **delta}
    assert watcher.deltas[0] is second.deltas[0]
    one.unwatch(feed, second)


@pytest.mark.parametrize("nonsense", ["", "{", "[]", "7", '{"delta": 3}', "\x00"])
async def test_a_message_that_makes_no_sense_is_taken_for_a_poke(
    redis_process: RedisProcess, watched: Watched, conversation: Conversation, nonsense: str
) -> None:
    _one, _feed, watcher = watched
    await subscribed(redis_process, conversation)
    await asyncio.sleep(0.1)
    before = watcher.wakes
    redis_process.publish(redis_client.events_channel(conversation.pk), nonsense)
    await until(lambda: watcher.wakes > before)


async def test_sockets_with_the_same_cursor_share_one_read_and_a_later_poke_makes_a_new_one(
    watched: Watched, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    _one, feed, _watcher = watched
    pages = await asyncio.gather(*(feed.read(0, html=False, knows_usage=False) for _ in range(50)))
    assert all(page is pages[0] for page in pages)
    old = asyncio.ensure_future(feed.read(0, html=False, knows_usage=False))
    await asyncio.sleep(0)
    feed.changed()
    assert await feed.read(0, html=False, knows_usage=False) is not await old


async def test_one_socket_that_goes_while_it_reads_takes_nothing_from_the_others(watched: Watched) -> None:
    _one, feed, _watcher = watched
    leaving, staying = (asyncio.ensure_future(feed.read(0, html=False, knows_usage=False)) for _ in range(2))
    await asyncio.sleep(0)
    leaving.cancel()
    assert isinstance(await staying, Page)


async def test_a_redis_that_was_restarted_is_heard_again_and_all_cursors_are_read_again(
    redis_process: RedisProcess, watched: Watched, conversation: Conversation
) -> None:
    one, _feed, watcher = watched
    await subscribed(redis_process, conversation)
    redis_process.stop()
    await until(lambda: not one._hears_redis)
    before = watcher.wakes
    redis_process.start()
    await subscribed(redis_process, conversation)
    await until(lambda: watcher.wakes > before)
    before = watcher.wakes
    redis_process.publish(redis_client.events_channel(conversation.pk), '{"at": 9}')
    await until(lambda: watcher.wakes > before)


async def test_a_frozen_redis_is_noticed_and_one_that_thaws_is_heard_again(
    redis_process: RedisProcess, watched: Watched, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _feed, watcher = watched
    monkeypatch.setattr(reader, "SILENCE_SECONDS", 0.6)
    monkeypatch.setattr(reader, "PING_SECONDS", 0.2)
    await subscribed(redis_process, conversation)
    await asyncio.sleep(1)
    assert one._hears_redis
    redis_process.freeze()
    try:
        await until(lambda: not one._hears_redis)
        feed_reads = watcher.wakes
        await in_database(timeline.append, conversation.pk, Draft(Message(text="While frozen"), "user"))
        await until(lambda: watcher.wakes > feed_reads)
    finally:
        redis_process.thaw()
    await until(lambda: one._hears_redis)


async def test_without_a_redis_events_are_found_by_polling_within_two_seconds(
    settings: Settings, tmp_path: object, watched: Watched, conversation: Conversation
) -> None:
    settings.REDIS_URL = f"unix://{tmp_path}/none.sock"
    _one, feed, watcher = watched
    await feed.read(0, html=False, knows_usage=False)
    await asyncio.sleep(1.5)
    before = watcher.wakes
    await in_database(timeline.append, conversation.pk, Draft(Message(text="Alone"), "user"))
    await until(lambda: watcher.wakes > before, seconds=2)


async def test_a_lost_poke_is_made_up_for_by_the_poll(
    redis_process: RedisProcess, watched: Watched, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "POLL_SECONDS", 0.2)
    _one, feed, watcher = watched
    await subscribed(redis_process, conversation)
    await feed.read(0, html=False, knows_usage=False)
    await asyncio.sleep(1.2)
    before = watcher.wakes
    await asyncio.sleep(0.5)
    assert watcher.wakes == before  # where nothing happened the poll wakes nobody
    await in_database(timeline.append, conversation.pk, Draft(Message(text="Unheard"), "user"))
    await until(lambda: watcher.wakes > before)


async def test_what_one_socket_has_read_is_not_hidden_from_another_by_that(
    settings: Settings, tmp_path: object, watched: Watched, conversation: Conversation
) -> None:
    settings.REDIS_URL = f"unix://{tmp_path}/none.sock"
    one, feed, watcher = watched
    await feed.read(0, html=False, knows_usage=False)
    await asyncio.sleep(1.5)
    before = watcher.wakes
    await in_database(timeline.append, conversation.pk, Draft(Message(text="Unheard"), "user"))
    newcomer = Watcher()
    one.watch(conversation.pk, newcomer)
    await feed.read(0, html=False, knows_usage=False)
    await until(lambda: watcher.wakes > before, seconds=3)
    one.unwatch(feed, newcomer)


async def test_what_changed_back_before_the_next_poll_is_told_to_who_read_it_in_between(
    settings: Settings, tmp_path: object, watched: Watched, conversation: Conversation
) -> None:
    def file(**fields: object) -> None:
        Conversation.objects.filter(pk=conversation.pk).update(**fields)

    settings.REDIS_URL = f"unix://{tmp_path}/none.sock"
    _one, feed, watcher = watched
    await feed.read(0, html=False, knows_usage=False)
    await asyncio.sleep(1.5)
    before = watcher.wakes
    await in_database(file, due_since=timezone.now())
    page = await feed.read(0, html=False, knows_usage=False)
    assert page.status
    assert page.status.queued
    await in_database(file, due_since=None)
    await until(lambda: watcher.wakes > before, seconds=3)


async def test_access_that_ended_somewhere_makes_every_socket_look(
    redis_process: RedisProcess, watched: Watched, conversation: Conversation
) -> None:
    _one, _feed, watcher = watched
    await subscribed(redis_process, conversation)
    redis_process.publish(redis_client.access_channel(), "a user's id")
    await until(lambda: watcher.rechecks == ["a user's id"])


async def test_with_nothing_watched_no_task_and_no_connection_is_left(
    redis_process: RedisProcess, conversation: Conversation
) -> None:
    before = asyncio.all_tasks()
    one, watcher = Reader(), Watcher()
    feed = one.watch(conversation.pk, watcher)
    await subscribed(redis_process, conversation)
    one.unwatch(feed, watcher)
    # The agent's own reader of orders, where another test has started it, listens to this Redis too.
    await until(lambda: redis_process.subscriptions() <= {redis_client.orders_channel()})
    await until(lambda: asyncio.all_tasks() == before)


async def test_ten_thousand_events_are_read_and_framed(
    conversation: Conversation,
) -> None:
    def fill() -> None:
        for _ in range(10):
            timeline.append(
                conversation.pk, *(Draft(Message(text="word " * 40), "user") for _ in range(1000))
            )

    await in_database(fill)
    one, watcher = Reader(), Watcher()
    feed = one.watch(conversation.pk, watcher)
    cursor = 0
    while True:
        page = await feed.read(cursor, html=False, knows_usage=False)
        cursor = page.frames[-1].last if page.frames else cursor
        if page.status:
            break
    assert cursor > 10_000
    one.unwatch(feed, watcher)
