"""Point 5 as a person meets it: what pages, API and sockets of a real Daphne say while Redis, the database or the
room on the disk is away, and that they go on afterwards."""

import asyncio
import json
import re
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from django.db import connection
from pytest_django import Settings
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from accounts.models import User
from accounts.services import create_api_key
from conversations.models import Conversation
from conversations.services import start_conversation
from openhands_site import redis_server
from tests.fakes.daphne_process import DaphneProcess, database_url
from tests.fakes.redis_process import RedisProcess
from tests.fakes.small_disk import SmallDisk
from tests.fakes.tcp_proxy import TcpProxy

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.service("redis")]
EMAIL, PASSWORD = "person@example.com", "correct horse battery"
QUICK = 2.0  # seconds
SIGN_IN = 5.0  # of them a slow machine needs most for the password alone
PATIENCE = (
    4.0,
    9.0,
)  # seconds within which an outage of the database is told; the browser waits 8 s for an answer


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisProcess]:
    with RedisProcess(redis_server.private_socket(tmp_path)) as process:
        yield process


class Person:
    """Somebody with a browser, a program with an API key, and one conversation."""

    def __init__(self, settings: Settings) -> None:
        settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.PBKDF2PasswordHasher"]  # the product's
        self.user = User.objects.create_user(EMAIL, PASSWORD)
        self.key = create_api_key(user=self.user, name="tests")[1]
        self.conversation: Conversation = start_conversation(owner=self.user, text="Begin")
        self.page = f"/conversations/{self.conversation.pk}/"

    @contextmanager
    def browsing(self, daphne: DaphneProcess) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=f"http://127.0.0.1:{daphne.port}", timeout=30, trust_env=False) as client:
            client.headers["Origin"] = str(client.base_url).rstrip("/")
            yield client

    def sign_in(self, client: httpx.Client, password: str = PASSWORD) -> httpx.Response:
        form = {"login": EMAIL, "password": password, "csrfmiddlewaretoken": token(client)}
        return client.post("/accounts/login/", data=form)

    def say(self, daphne: DaphneProcess, text: str = "hello") -> httpx.Response:
        return self.ask(daphne, "POST", "/messages", json={"text": text, "client_id": str(uuid4())})

    def ask(self, daphne: DaphneProcess, method: str, path: str, **arguments: Any) -> httpx.Response:
        address = f"http://127.0.0.1:{daphne.port}/api/conversations/{self.conversation.pk}{path}"
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.request(method, address, headers=headers, timeout=30, trust_env=False, **arguments)

    @asynccontextmanager
    async def watching(self, daphne: DaphneProcess, after: int = 0) -> AsyncIterator[ClientConnection]:
        address = f"ws://127.0.0.1:{daphne.port}/sockets/events/{self.conversation.pk}?after={after}"
        headers = {"Authorization": f"Bearer {self.key}"}
        async with connect(address, additional_headers=headers, proxy=None) as socket:
            yield socket


@pytest.fixture
def person(db: None, settings: Settings) -> Person:
    return Person(settings)


def token(client: httpx.Client) -> str:
    """The CSRF token of a page with a form, which sets the cookie too."""
    found = re.search(r'csrfmiddlewaretoken" value="(\w+)"', client.get("/accounts/login/").text)
    if found:
        return found[1]
    return next(value for name, value in client.cookies.items() if name.startswith("csrf_"))


def timed(call: Callable[[], httpx.Response]) -> tuple[float, httpx.Response]:
    begun = time.monotonic()
    response = call()
    return time.monotonic() - begun, response


def quickly(call: Callable[[], httpx.Response], status: int, seconds: float = QUICK) -> httpx.Response:
    taken, response = timed(call)
    assert response.status_code == status, response.text
    assert taken < seconds, f"{response.url} took {taken:.1f} s"
    return response


async def until(
    socket: ClientConnection, kind: str, text: str = "", seconds: float = QUICK
) -> dict[str, Any]:
    async with asyncio.timeout(seconds):
        while True:
            frame = dict(json.loads(await socket.recv()))
            if frame["type"] == kind and text in json.dumps(frame):
                return frame


async def tell(socket: ClientConnection, text: str, client_id: str = "") -> None:
    await socket.send(json.dumps({"type": "message", "client_id": client_id or str(uuid4()), "text": text}))


def everything_answers_quickly(person: Person, daphne: DaphneProcess, redis_state: str) -> None:
    with person.browsing(daphne) as client:
        quickly(lambda: person.sign_in(client, "a wrong one, and counted"), 200, SIGN_IN)
        quickly(lambda: person.sign_in(client), 302, SIGN_IN)
        assert quickly(lambda: client.get("/ready"), 200).json()["redis"] == redis_state
        quickly(lambda: client.get("/"), 200)
        quickly(lambda: client.get(person.page), 200)
        quickly(lambda: client.get("/settings/"), 200)
        csrf = next(value for name, value in client.cookies.items() if name.startswith("csrf_"))
        form = {"csrfmiddlewaretoken": csrf, "text": "Another one"}
        quickly(lambda: client.post("/conversations/", data=form), 302)
        quickly(lambda: client.post(f"{person.page}rename/", data={**form, "title": "Renamed"}), 302)
        quickly(lambda: client.post("/accounts/logout/", data=form), 302)
    quickly(lambda: person.say(daphne), 201)
    quickly(lambda: person.ask(daphne, "POST", "/stop"), 201)
    quickly(lambda: person.ask(daphne, "GET", "/events"), 200)
    asyncio.run(sockets_answer_quickly(person, daphne))


async def sockets_answer_quickly(person: Person, daphne: DaphneProcess) -> None:
    async with asyncio.timeout(QUICK), person.watching(daphne) as socket:
        await until(socket, "usage")
        text = str(uuid4())
        await tell(socket, text, client_id=text)
        waited_for = {"ack", "events"}  # what one says oneself is seen at once, without Redis too
        while waited_for:
            frame = await socket.recv()
            if text in str(frame):
                waited_for.discard(json.loads(frame)["type"])


def test_while_redis_is_dead_nobody_waits_and_daphne_starts_without_it(
    person: Person, redis: RedisProcess
) -> None:
    with DaphneProcess(redis.url) as daphne:
        redis.stop()
        everything_answers_quickly(person, daphne, "unreachable")
        daphne.stop()
        daphne.start()
        everything_answers_quickly(person, daphne, "unreachable")
        redis.start()
        everything_answers_quickly(person, daphne, "ok")


def test_while_redis_is_frozen_nobody_waits_and_live_events_go_on(
    person: Person, redis: RedisProcess
) -> None:
    async def an_event_is_seen(within: float) -> None:
        async with person.watching(daphne) as socket:
            await until(socket, "usage")
            text = str(uuid4())
            said = await asyncio.to_thread(person.say, daphne, text)
            assert said.status_code == 201
            await until(socket, "events", text, within)

    with DaphneProcess(redis.url) as daphne:
        asyncio.run(an_event_is_seen(within=QUICK))
        redis.freeze()
        try:
            everything_answers_quickly(person, daphne, "unreachable")
            asyncio.run(an_event_is_seen(within=12))
            everything_answers_quickly(person, daphne, "unreachable")
            asyncio.run(an_event_is_seen(within=3))
        finally:
            redis.thaw()
        asyncio.run(an_event_is_seen(within=3))
        everything_answers_quickly(person, daphne, "ok")


def is_told(seconds: float, response: httpx.Response, code: str = "unavailable") -> bool:
    """Whether the API's answer is the clear error of an outage, in time."""
    error = response.json()["error"]
    assert response.status_code == {"unavailable": 503, "disk_full": 507}[code], response.text
    assert error["code"] == code
    assert error["retryable"] is True
    assert int(response.headers["Retry-After"]) > 0
    return seconds < PATIENCE[1]


def is_a_calm_page(response: httpx.Response, *, sent: bool, status: int = 503) -> bool:
    assert response.status_code == status, response.text
    assert "Nothing that was stored is lost" in response.text
    assert int(response.headers["Retry-After"]) > 0
    return ("send-again" in response.text, "http-equiv" in response.text) == (sent, not sent)


@contextmanager
def locked_database() -> Iterator[None]:
    """Somebody else writes and does not come to an end."""
    other = sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


def test_while_sqlite_is_locked_reading_goes_on_and_writing_is_told_soon(
    person: Person, redis: RedisProcess
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("SQLite's lock")
    with DaphneProcess(redis.url) as daphne, person.browsing(daphne) as client:
        person.sign_in(client)
        csrf = token(client)
        form = {"csrfmiddlewaretoken": csrf, "title": "Renamed", "text": "A long text of mine"}
        with locked_database(), ThreadPoolExecutor() as at_once:
            # The use of the key would be written down too: that is worth no wait.
            quickly(lambda: person.ask(daphne, "GET", "/events"), 200)
            quickly(lambda: client.get(person.page), 200)
            quickly(lambda: client.get("/ready"), 200)
            posts: list[Callable[[], httpx.Response]] = [
                lambda: person.say(daphne),
                lambda: client.post("/conversations/", data=form),
                lambda: client.post(f"{person.page}rename/", data=form, headers={"HX-Request": "true"}),
            ]
            waiting = at_once.map(timed, posts)
            asyncio.run(a_message_waits_for_the_database(person, daphne))
            said, created, renamed = waiting
        assert is_told(*said)
        assert is_a_calm_page(created[1], sent=True)
        assert PATIENCE[0] < created[0] < PATIENCE[1]
        assert renamed[1].status_code == 503
        assert renamed[1].headers["Content-Type"].startswith("text/plain")
        assert renamed[1].text.endswith(".")
        quickly(lambda: person.say(daphne), 201)
        quickly(lambda: client.post("/conversations/", data=form), 302)


async def a_message_waits_for_the_database(person: Person, daphne: DaphneProcess) -> None:
    """The frame says that it can be sent again; the socket that heard it stays open."""
    async with person.watching(daphne) as socket:
        await until(socket, "usage")
        client_id = str(uuid4())
        await tell(socket, "not stored", client_id)
        error = await until(socket, "error", client_id, PATIENCE[1])
        assert (error["code"], error["retryable"]) == ("unavailable", True)
        await tell(socket, "not stored", client_id)
        await until(socket, "error", client_id, PATIENCE[1])


def test_while_postgresql_is_away_all_is_told_soon_and_comes_back_by_itself(
    person: Person, redis: RedisProcess
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("PostgreSQL's connections")
    server = connection.settings_dict
    with (
        TcpProxy(server["HOST"], int(server["PORT"] or 5432)) as proxy,
        DaphneProcess(redis.url, DATABASE_URL=database_url(proxy.port)) as daphne,
        person.browsing(daphne) as client,
    ):
        person.sign_in(client)
        asyncio.run(a_socket_outlives_the_database(person, daphne, client, proxy))
        # Each of the pool's connections broke; nobody meets a broken one.
        for _ in range(20):
            quickly(lambda: client.get(person.page), 200)


async def a_socket_outlives_the_database(
    person: Person, daphne: DaphneProcess, client: httpx.Client, proxy: TcpProxy
) -> None:
    async with person.watching(daphne) as socket:
        await until(socket, "usage")
        await asyncio.gather(*(asyncio.to_thread(client.get, "/") for _ in range(10)))
        form = {"text": "x", "csrfmiddlewaretoken": token(client)}
        proxy.cut()
        await asyncio.to_thread(quickly, lambda: client.get("/alive"), 200)
        client_id = str(uuid4())
        await tell(socket, "said in the dark", client_id)
        calls: list[Callable[[], httpx.Response]] = [
            lambda: client.get(person.page),
            lambda: client.post("/conversations/", data=form),
            lambda: person.say(daphne),
            lambda: client.get("/ready"),
        ]
        told = await asyncio.gather(*(asyncio.to_thread(timed, call) for call in calls))
        shown, posted, said, ready = told
        assert is_a_calm_page(shown[1], sent=False)
        assert is_a_calm_page(posted[1], sent=True)
        assert is_told(*said)
        assert (ready[1].status_code, ready[1].json()["database"]) == (503, "unreachable")
        assert max(seconds for seconds, _ in told) < PATIENCE[1]
        assert (await until(socket, "error", client_id, PATIENCE[1]))["retryable"] is True
        with pytest.raises(ConnectionClosed) as closed:
            async with person.watching(daphne) as other:
                await until(other, "nothing", seconds=PATIENCE[1])
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4503

        await asyncio.sleep(6)  # by now the pauses between attempts to connect could be long
        proxy.mend()
        async with asyncio.timeout(8):
            while (await asyncio.to_thread(client.get, "/ready")).status_code != 200:
                await asyncio.sleep(0.2)
        await tell(socket, "said in the dark", client_id)
        await until(socket, "events", "said in the dark")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with SmallDisk(tmp_path / "small", 24) as small:
        yield small


@pytest.mark.service("tmpfs")
def test_with_the_disk_full_a_long_message_is_told_so_and_is_stored_when_there_is_room(
    person: Person, redis: RedisProcess, disk: SmallDisk, settings: Settings
) -> None:
    """It is a blob, a file beside the database."""
    keys = ",".join(settings.SECRET_KEYS)
    place = {"OPENHANDS_HOME": str(disk.folder), "OPENHANDS_SECRET_KEYS": keys}
    with DaphneProcess(redis.url, log=None, **place) as daphne:
        long = "long " * 30_000
        disk.fill()
        for _ in range(2):
            assert is_told(*timed(lambda: person.say(daphne, long)), code="disk_full")
        kept = [path for path in (disk.folder / "blobs").rglob("*") if path.is_file()]
        assert kept == [], "a part of it would take room that is not there"
        quickly(lambda: person.say(daphne, "short"), 201)
        disk.make_room()
        event = quickly(lambda: person.say(daphne, long), 201).json()
        blob = person.ask(daphne, "GET", f"/blobs/{event['payload']['text']['blob']}")
        assert blob.text == long


@pytest.mark.service("tmpfs")
def test_with_the_disk_full_sqlite_is_read_and_a_write_is_told_so(
    person: Person, redis: RedisProcess, disk: SmallDisk
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("SQLite's file")
    copy = disk.folder / "openhands.sqlite3"
    with sqlite3.connect(connection.settings_dict["NAME"]) as original:
        original.execute("VACUUM INTO ?", (str(copy),))  # without the room that the tests before left in it
    with (
        DaphneProcess(redis.url, DATABASE_URL=f"sqlite:///{copy}") as daphne,
        person.browsing(daphne) as client,
    ):
        person.sign_in(client)
        form = {"csrfmiddlewaretoken": token(client), "text": "Another one"}
        disk.fill()
        while (said := timed(lambda: person.say(daphne, "x" * 50_000)))[1].status_code == 201:
            pass  # there is room left inside of the database's files
        assert is_told(*said, code="disk_full")
        quickly(lambda: client.get(person.page), 200)
        quickly(lambda: person.ask(daphne, "GET", "/events"), 200)
        assert is_a_calm_page(client.post("/conversations/", data=form), sent=True, status=507)
        disk.make_room()
        quickly(lambda: person.say(daphne), 201)
        quickly(lambda: client.post("/conversations/", data=form), 302)
