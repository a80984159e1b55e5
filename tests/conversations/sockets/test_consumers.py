"""The socket as a client meets it, joined to the application in this process; Redis and the database are real."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from accounts.services import create_api_key, revoke_api_key
from conversations import timeline, wire
from conversations.events import Message, Observation
from conversations.models import Conversation, Event
from conversations.services import delete_conversation
from conversations.sockets import consumers, reader, window
from conversations.sockets.pages import Page
from conversations.timeline import Draft
from openhands_site import redis_client
from openhands_site.asgi import application
from tests.conversations.conftest import in_database
from tests.fakes.redis_process import RedisProcess
from tests.fakes.socket_client import HOST, SocketClient, events_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.service("redis")]
OWN_ORIGIN = "http://localhost:8000"
Say = Callable[..., Awaitable[None]]


@pytest.fixture
def cookie(owner: User, settings: Settings) -> str:
    client = Client()
    client.force_login(owner)
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


@pytest.fixture
def say(redis_process: RedisProcess, conversation: Conversation) -> Say:
    """Appends messages and tells of them, as the hints thread does."""

    async def append(*texts: str) -> None:
        await in_database(
            timeline.append, conversation.pk, *(Draft(Message(text=text), "agent") for text in texts)
        )
        redis_process.publish(redis_client.events_channel(conversation.pk), '{"at": 0}')

    return append


async def heard(redis: RedisProcess, conversation: Conversation) -> None:
    while redis_client.events_channel(conversation.pk) not in redis.subscriptions():
        await asyncio.sleep(0.02)


# Who may watch.


async def test_an_api_key_or_a_session_from_our_own_page_opens_it(
    conversation: Conversation, key: str, cookie: str
) -> None:
    async with SocketClient(conversation.pk, key=key) as program:
        assert (await program.next())["type"] == "events"
    async with SocketClient(conversation.pk, cookie=cookie, origin=OWN_ORIGIN) as browser:
        assert (await browser.next())["type"] == "events"


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "http://evil.example",
        "http://localhost:8001",
        "https://localhost:8000.evil.example",
        "http://[x",
        "file://localhost:8000",
    ],
)
async def test_a_session_from_another_page_is_none(
    conversation: Conversation, cookie: str, origin: str
) -> None:
    async with SocketClient(conversation.pk, cookie=cookie, origin=origin) as client:
        assert await client.next() == {"type": "closed", "code": 4001}


async def test_a_page_of_a_host_that_is_not_ours_is_another_page(
    conversation: Conversation, cookie: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fakes.socket_client.HOST", b"rebound.example")
    async with SocketClient(conversation.pk, cookie=cookie, origin="http://rebound.example") as client:
        assert await client.next() == {"type": "closed", "code": 4001}


@pytest.mark.parametrize(
    "cookie", ["", "session_tests=nonsense", "session_tests=", "=;\x7f,", "a=b; session_tests=\xff"]
)
async def test_a_cookie_that_is_no_session_opens_nothing(conversation: Conversation, cookie: str) -> None:
    async with SocketClient(conversation.pk, cookie=cookie, origin=OWN_ORIGIN) as client:
        assert await client.next() == {"type": "closed", "code": 4001}


async def test_a_wrong_key_opens_nothing_even_beside_a_session(
    conversation: Conversation, cookie: str
) -> None:
    async with SocketClient(conversation.pk, key="oh_no", cookie=cookie, origin=OWN_ORIGIN) as client:
        assert await client.next() == {"type": "closed", "code": 4001}


async def test_the_conversation_of_another_and_one_that_is_not_there_look_the_same(
    conversation: Conversation, stranger: User, key: str
) -> None:
    _row, strange_key = await in_database(create_api_key, user=stranger, name="tests")
    for client in (SocketClient(conversation.pk, key=strange_key), SocketClient(uuid4(), key=key)):
        async with client:
            assert await client.next() == {"type": "closed", "code": 4004}


@pytest.mark.parametrize("address", ["/", "/sockets/", "/sockets/events/not-a-uuid", "/sockets/events/"])
async def test_an_address_that_is_none_is_closed_as_not_there(db: None, address: str) -> None:
    async with SocketClient("", address=address) as client:
        assert await client.next() == {"type": "closed", "code": 4004}


@pytest.mark.parametrize("after", ["-1", "x", "1.5", "٣", "9" * 40])
async def test_an_after_that_is_no_sequence_is_said_to_be_wrong(
    conversation: Conversation, key: str, after: str
) -> None:
    async with SocketClient(conversation.pk, key=key, query=f"after={after}") as client:
        assert (await client.next())["field"] == "after"
        assert await client.next() == {"type": "closed", "code": 4400}


async def test_access_that_ends_closes_the_socket_at_once(
    redis_process: RedisProcess, conversation: Conversation, owner: User
) -> None:
    row, key = await in_database(create_api_key, user=owner, name="short")
    async with SocketClient(conversation.pk, key=key) as client:
        await client.until("usage")
        await heard(redis_process, conversation)
        await in_database(revoke_api_key, key_id=row.pk, by=owner)
        redis_process.publish(redis_client.access_channel(), str(owner.pk))
        assert await client.next() == {"type": "closed", "code": 4001}


async def test_access_is_looked_at_again_from_time_to_time(
    conversation: Conversation, cookie: str, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "ACCESS_SECONDS", 0.2)
    async with SocketClient(conversation.pk, cookie=cookie, origin=OWN_ORIGIN) as client:
        await client.until("usage")
        assert await client.quiet(0.5)
        await in_database(User.objects.filter(pk=owner.pk).update, is_active=False)
        assert await client.next() == {"type": "closed", "code": 4001}


async def test_a_password_that_was_changed_ends_the_sessions_sockets(
    conversation: Conversation, cookie: str, owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "ACCESS_SECONDS", 0.2)
    async with SocketClient(conversation.pk, cookie=cookie, origin=OWN_ORIGIN) as client:
        await client.until("usage")
        owner.set_password("another horse battery")
        await in_database(owner.save)
        assert await client.next() == {"type": "closed", "code": 4001}


async def test_a_socket_leaves_a_session_under_an_older_key_of_the_server_as_it_is(
    conversation: Conversation, cookie: str, settings: Settings
) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "a newer one"
    for _ in range(2):
        async with SocketClient(conversation.pk, cookie=cookie, origin=OWN_ORIGIN) as client:
            assert (await client.next())["type"] == "events"


async def test_a_deleted_conversation_closes_its_sockets(
    redis_process: RedisProcess, conversation: Conversation, key: str, owner: User
) -> None:
    async with SocketClient(conversation.pk, key=key) as client:
        await client.until("usage")
        await heard(redis_process, conversation)
        await in_database(delete_conversation, conversation_id=conversation.pk, by=owner)
        redis_process.publish(redis_client.events_channel(conversation.pk), '{"at": 0}')
        assert await client.next() == {"type": "closed", "code": 4004}


# What is sent.


async def test_first_the_log_then_replayed_then_status_and_usage_then_what_comes(
    redis_process: RedisProcess, conversation: Conversation, key: str, say: Say
) -> None:
    await say("one", "two")
    async with SocketClient(conversation.pk, key=key) as client:
        frames = await client.until("usage")
        assert [frame["type"] for frame in frames] == ["events", "replayed", "status", "usage"]
        stored = await in_database(lambda: [wire.to_wire(event) for event in conversation.events.all()])
        assert events_of(frames) == stored
        assert frames[1]["sequence"] == stored[-1]["sequence"]
        await heard(redis_process, conversation)
        await say("three")
        [live] = events_of(await client.until("events"))
        assert (live["sequence"], live["payload"]["text"]) == (stored[-1]["sequence"] + 1, "three")
        assert await client.quiet()  # status and usage are as they were


async def test_it_goes_on_after_the_sequence_that_the_client_has(
    conversation: Conversation, key: str, say: Say
) -> None:
    await say(*(str(n) for n in range(450)))
    last = (await in_database(Conversation.objects.get)).last_sequence
    async with SocketClient(conversation.pk, key=key, query="after=100") as client:
        frames = await client.until("replayed")
        assert [len(frame["events"]) for frame in frames[:-1]] == [200, last - 300]
        assert [event["sequence"] for event in events_of(frames)] == list(range(101, last + 1))


@pytest.mark.parametrize("known", [0, 200])
async def test_the_usage_is_told_also_where_what_is_new_is_an_observation_alone(
    conversation: Conversation, key: str, known: int
) -> None:
    said = [Draft(Message(text=str(n)), "agent") for n in range(200 - conversation.last_sequence)]
    seen = Draft(Observation(action_id=uuid4(), outcome="ok"), "sandbox")
    await in_database(timeline.append, conversation.pk, *said, seen)
    async with SocketClient(conversation.pk, key=key, query=f"after={known}") as client:
        frames = await client.until("usage")
        assert [event["sequence"] for event in events_of(frames)] == list(range(known + 1, 202))


async def test_a_client_ahead_of_the_log_hears_what_comes_next(
    redis_process: RedisProcess, conversation: Conversation, key: str, say: Say
) -> None:
    async with SocketClient(conversation.pk, key=key, query="after=1000000") as client:
        [replayed] = await client.until("replayed")
        assert replayed["sequence"] == conversation.last_sequence
        await heard(redis_process, conversation)
        await say("next")
        assert [event["payload"]["text"] for event in events_of(await client.until("events"))] == ["next"]


async def test_every_event_comes_once_and_in_order_while_others_write(
    redis_process: RedisProcess, conversation: Conversation, key: str, say: Say
) -> None:
    async def write() -> None:
        for n in range(60):
            await say(*(f"{n}.{m}" for m in range(n % 4 + 1)))

    async def watch(delay: float) -> list[int]:
        await asyncio.sleep(delay)
        async with SocketClient(conversation.pk, key=key) as client:
            frames = await client.until(
                "events", lambda frame: frame["events"][-1]["payload"].get("text") == "59.3"
            )
            return [event["sequence"] for event in events_of(frames)]

    *seen, _ = await asyncio.gather(*(watch(n / 20) for n in range(8)), write())
    expected = list(await in_database(lambda: list(conversation.events.values_list("sequence", flat=True))))
    assert all(sequences == expected for sequences in seen)


async def test_a_status_is_sent_again_when_it_changed(
    redis_process: RedisProcess, conversation: Conversation, key: str
) -> None:
    async with SocketClient(conversation.pk, key=key) as client:
        await client.until("usage")
        await heard(redis_process, conversation)
        await in_database(Conversation.objects.update, title="Another")
        redis_process.publish(redis_client.events_channel(conversation.pk), '{"at": 0}')
        assert (await client.next())["title"] == "Another"


async def test_while_nothing_happens_it_says_from_time_to_time_that_it_lives(
    conversation: Conversation, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "SILENCE_SECONDS", 0.2)
    async with SocketClient(conversation.pk, key=key) as client:
        status, _ = (await client.until("usage"))[-2:]
        for _ in range(3):
            assert await client.next(1) == status


async def test_who_reads_nothing_of_a_silent_socket_is_not_told_for_ever_that_it_lives(
    conversation: Conversation, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "SILENCE_SECONDS", 0.05)
    monkeypatch.setattr(window, "UNSEEN_EXTRAS", 600)
    async with SocketClient(conversation.pk, key=key) as client:
        await client.until("usage")
        beats = 0
        while not await client.quiet(0.3):
            beats += (await client.next())["type"] == "status"
        assert 0 < beats < 6
        await client.send({"type": "seen", "sequence": 1})
        assert (await client.next())["type"] == "status"


async def test_with_html_each_event_brings_what_stands_for_it_on_the_page(
    conversation: Conversation, key: str
) -> None:
    async with SocketClient(conversation.pk, key=key, query="after=0&html=1") as client:
        [message, *_] = events_of(await client.until("events"))
        assert "Begin" in message["html"]
        assert message["payload"]["text"] == "Begin"


# The window.


async def test_past_a_thousand_unseen_events_it_waits_until_they_are_seen(
    redis_process: RedisProcess, conversation: Conversation, key: str, say: Say
) -> None:
    await say(*(str(n) for n in range(1500)))
    last = (await in_database(Conversation.objects.get)).last_sequence
    async with SocketClient(conversation.pk, key=key) as client:
        sequences = []
        while not await client.quiet(0.3):
            sequences += [event["sequence"] for event in events_of([await client.next()])]
        assert sequences == list(range(1, 1001))
        await client.send({"type": "seen", "sequence": 600})
        frames = await client.until("replayed")
        assert [event["sequence"] for event in events_of(frames)] == list(range(1001, last + 1))


async def test_a_client_that_never_says_what_it_saw_is_closed_with_4008(
    conversation: Conversation, key: str, say: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "GRACE_SECONDS", 0.3)
    await say(*(str(n) for n in range(1200)))
    async with SocketClient(conversation.pk, key=key) as client:
        for _ in range(5):
            assert (await client.next())["type"] == "events"
        assert await client.next() == {"type": "closed", "code": 4008}


async def test_deltas_come_after_the_replay_and_are_dropped_past_their_limit_until_something_is_seen(
    redis_process: RedisProcess, conversation: Conversation, key: str
) -> None:
    channel = redis_client.events_channel(conversation.pk)
    delta = {
        "call_id": str(uuid4()),
        "attempt": 1,
        "channel": "text",
        "index": 0,
        "offset": 0,
        "text": "x" * 50_000,
    }
    async with SocketClient(conversation.pk, key=key) as client:
        await client.until("usage")
        await heard(redis_process, conversation)
        for _ in range(10):
            redis_process.publish(channel, json.dumps({"delta": delta}))
        for _ in range(5):
            assert await client.next() == {"type": "delta", **delta}
        assert await client.quiet()
        await client.send({"type": "seen", "sequence": 1})
        await asyncio.sleep(0.1)
        redis_process.publish(channel, json.dumps({"delta": delta}))
        assert (await client.next())["type"] == "delta"


class CountedFeed(reader.Feed):
    """It counts the reads that sockets ask for, and does `meanwhile` after the first, before the socket has it."""

    reads = 0
    meanwhile: Callable[[], Awaitable[object]] | None = None

    async def read(self, after: int, *, html: bool, knows_usage: bool) -> Page:
        self.reads += 1
        page = await super().read(after, html=html, knows_usage=knows_usage)
        if self.meanwhile:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()
        return page


@pytest.fixture
async def feed(conversation: Conversation) -> CountedFeed:
    """The one that the conversation's sockets get."""
    counted = CountedFeed(conversation.pk)
    reader.current()._feeds[redis_client.events_channel(conversation.pk)] = counted
    return counted


async def test_neither_a_delta_nor_what_was_seen_reads_the_log(
    redis_process: RedisProcess, conversation: Conversation, key: str, say: Say, feed: CountedFeed
) -> None:
    async with SocketClient(conversation.pk, key=key) as client:
        await client.until("usage")
        await heard(redis_process, conversation)
        assert await client.quiet(0.3)
        before = feed.reads
        for n in range(20):
            delta = {"delta": {"text": f"piece {n}"}}
            redis_process.publish(redis_client.events_channel(conversation.pk), json.dumps(delta))
            assert await client.next() == {"type": "delta", "text": f"piece {n}"}
            await client.send({"type": "seen", "sequence": 2})
        assert await client.quiet(0.3)
        assert feed.reads == before
        await say("There is more")
        assert (await client.next())["type"] == "events"
        assert feed.reads == before + 1


async def test_what_is_committed_while_a_socket_reads_is_read_next(
    redis_process: RedisProcess, conversation: Conversation, key: str, feed: CountedFeed
) -> None:
    async def commit() -> None:
        await in_database(timeline.append, conversation.pk, Draft(Message(text="Meanwhile"), "user"))
        feed.changed()

    feed.meanwhile = commit
    async with SocketClient(conversation.pk, key=key) as client:
        frames = await client.until("events", lambda frame: "Meanwhile" in json.dumps(frame))
        assert len(events_of(frames)) == conversation.last_sequence + 1


async def test_what_came_while_the_window_was_full_is_sent_when_there_is_room_again(
    redis_process: RedisProcess, conversation: Conversation, key: str, say: Say
) -> None:
    await say(*(str(n) for n in range(1200)))
    async with SocketClient(conversation.pk, key=key) as client:
        for _ in range(5):
            assert (await client.next())["type"] == "events"
        await heard(redis_process, conversation)
        await say("While it was full")
        assert await client.quiet(0.3)
        await client.send({"type": "seen", "sequence": 1000})
        frames = await client.until("replayed")
        assert events_of(frames)[-1]["payload"]["text"] == "While it was full"


# What the client says.


async def test_a_message_is_acknowledged_with_its_sequence_and_comes_back_as_an_event(
    redis_process: RedisProcess, conversation: Conversation, key: str
) -> None:
    async with SocketClient(conversation.pk, key=key) as client:
        await client.until("usage")
        client_id = str(uuid4())
        for _ in range(2):  # sent twice, it is one event
            await client.send({"type": "message", "client_id": client_id, "text": "Go on"})
            [*_, ack] = await client.until("ack")
            event = await in_database(Event.objects.get, pk=client_id)
            assert ack == {"type": "ack", "client_id": client_id, "sequence": event.sequence}
        await client.send({"type": "message", "client_id": client_id, "text": "Otherwise"})
        [*_, error] = await client.until("error")
        assert (error["client_id"], error["code"]) == (client_id, "conflict")


@pytest.mark.parametrize("order", ["pause", "resume", "stop"])
async def test_an_order_is_acknowledged_when_it_is_in_the_log(
    conversation: Conversation, key: str, order: str
) -> None:
    async with SocketClient(conversation.pk, key=key) as client:
        client_id = str(uuid4())
        await client.send({"type": order, "client_id": client_id})
        [*_, ack] = await client.until("ack")
        event = await in_database(Event.objects.get, pk=client_id)
        assert (event.payload["order"], event.sequence) == (order, ack["sequence"])


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "7",
        "null",
        "[]",
        "{}",
        "[" * 100_000,
        '{"type": "dance"}',
        '{"type": ["message"]}',
        '{"type": "message", "text": "no id"}',
        '{"type": "message", "client_id": "x", "text": "bad id"}',
        '{"type": "message", "client_id": 7, "text": {}}',
        '{"type": "stop", "client_id": "5b2f3f5e-0f0e-4f43-9a55-0c9c38ad4c0b", "reason": "unknown field"}',
        '{"type": "message", "client_id": "5b2f3f5e-0f0e-4f43-9a55-0c9c38ad4c0b", "text": "  "}',
        '{"type": "message", "client_id": "5b2f3f5e-0f0e-4f43-9a55-0c9c38ad4c0b", "text": "\\u0000"}',
        '{"type": "seen", "sequence": -1}',
        '{"type": "seen", "sequence": 1e400}',
        '{"type": "approve", "client_id": "5b2f3f5e-0f0e-4f43-9a55-0c9c38ad4c0b"}',
        '{"type": "' + "x" * 10_000 + '"}',
        "x" * 6_100_001,
    ],
)
async def test_what_is_no_frame_is_answered_with_an_error_and_the_socket_lives(
    conversation: Conversation, key: str, text: str
) -> None:
    async with SocketClient(conversation.pk, key=key) as client:
        await client.until("usage")
        await client.send_text(text)
        error = await client.next()
        assert (error["type"], bool(error["message"])) == ("error", True)
        assert len(json.dumps(error)) < 1000
        await client.send({"type": "stop", "client_id": str(uuid4())})
        await client.until("ack")


async def test_bytes_are_no_frame(conversation: Conversation, key: str) -> None:
    async with SocketClient(conversation.pk, key=key) as client:
        await client.until("usage")
        await client.send_bytes(b"\x00\xff")
        assert (await client.next())["type"] == "error"


async def test_a_client_that_sends_rubbish_and_reads_nothing_is_not_answered_for_ever(
    conversation: Conversation, key: str
) -> None:
    async with SocketClient(conversation.pk, key=key) as client:
        await client.until("usage")
        for _ in range(5000):
            await client.send_text("rubbish")
        answers = 0
        while not await client.quiet(0.5):
            await client.next()
            answers += 1
        assert answers * len('{"type": "error", "code": "invalid", "message": ""}') < window.UNSEEN_EXTRAS
        assert answers < 5000


@contextmanager
def without_table(table: str) -> Iterator[None]:
    """No outage, but an error of the database on demand."""
    _rename(table, "put_away")
    yield
    _rename("put_away", table)


def _rename(table: str, name: str) -> None:
    connection.close()  # the thread's, which may know the schema as it was before another thread's renaming
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {name}")


async def test_while_nobody_can_tell_who_may_enter_a_client_is_asked_to_come_again(
    conversation: Conversation, key: str, redis_process: RedisProcess
) -> None:
    away = without_table("accounts_apikey")
    await in_database(away.__enter__)
    try:
        async with SocketClient(conversation.pk, key=key) as client:
            assert await client.next() == {"type": "closed", "code": 4503}
    finally:
        await in_database(away.__exit__, None, None, None)


async def test_an_order_that_a_defect_stopped_is_not_sent_again_and_the_socket_lives(
    conversation: Conversation, key: str, redis_process: RedisProcess
) -> None:
    async with SocketClient(conversation.pk, key=key) as client:
        await client.until("usage")
        away = without_table("conversations_event")
        await in_database(away.__enter__)
        try:
            client_id = str(uuid4())
            await client.send({"type": "message", "client_id": client_id, "text": "hello"})
            error = await client.next()
        finally:
            await in_database(away.__exit__, None, None, None)
        assert (error["code"], error["client_id"]) == ("server_error", client_id)
        assert "retryable" not in error
        await client.send({"type": "message", "client_id": client_id, "text": "hello"})
        await client.until("ack")


async def test_what_one_says_oneself_is_seen_though_no_poke_tells_of_it(
    conversation: Conversation, key: str
) -> None:
    async with SocketClient(conversation.pk, key=key) as client:
        await client.until("usage")
        await client.send({"type": "message", "client_id": str(uuid4()), "text": "hello"})
        seen = [await client.next(), await client.next()]
        assert {"ack", "events"} == {frame["type"] for frame in seen}


async def test_a_socket_that_the_server_kills_while_its_order_waits_leaves_nothing_behind(
    conversation: Conversation, key: str, feed: CountedFeed
) -> None:
    """As Daphne does it, some time after the client has gone."""
    locked, done = threading.Event(), threading.Event()

    async def send(_message: object) -> None:
        pass

    def hold_the_lock() -> None:
        with transaction.atomic():
            timeline.append(conversation.pk, Draft(Message(text="Slow"), "user"))
            locked.set()
            done.wait(20)

    before = asyncio.all_tasks()
    holder = asyncio.ensure_future(in_database(hold_the_lock))
    assert await asyncio.to_thread(locked.wait, 20)
    headers = [(b"host", HOST), (b"authorization", f"Bearer {key}".encode())]
    address = {"path": f"/sockets/events/{conversation.pk}", "query_string": b"after=0"}
    received: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    scope = {"type": "websocket", "headers": headers, "subprotocols": [], **address}
    killed = asyncio.ensure_future(application(scope, received.get, send))
    try:
        await received.put({"type": "websocket.connect"})
        while not feed.watchers:
            await asyncio.sleep(0.02)
        order = json.dumps({"type": "stop", "client_id": str(uuid4())})
        await received.put({"type": "websocket.receive", "text": order})
        await asyncio.sleep(0.3)
        await received.put({"type": "websocket.disconnect"})
        killed.cancel()
        await asyncio.wait([killed])
        assert not feed.watchers
    finally:
        done.set()
        await holder
    async with asyncio.timeout(5):
        while asyncio.all_tasks() != before:
            await asyncio.sleep(0.02)
