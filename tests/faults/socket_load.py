"""Clients of the sockets, each with its own bad habit, in one process of their own so that nothing disturbs them.

`python -m tests.faults.socket_load '<plan as JSON>'`: see Plan. What each saw is printed as a line of JSON when all
have ended. It knows nothing of Django: to it, a server is an address.
"""

import asyncio
import hashlib
import json
import random
import re
import socket
import sys
import time
import traceback
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage

from tests.fakes.daphne_process import resident_bytes

MEGABYTE = 1024 * 1024
UNTIL_CAUGHT_UP = 60.0  # seconds after the last event is written
LAST_SEQUENCE = re.compile(rb'"sequence":(\d+),"id"')


@dataclass
class Plan:
    """Ports of servers, conversations, and how long; what is 0 or empty is left out."""

    key: str
    seed: int
    port: int = 0
    conversations: list[str] = field(default_factory=list)
    clients: int = 0
    steady_port: int = 0
    steady_pid: int = 0
    baseline_port: int = 0
    baseline_pid: int = 0
    long_conversation: str = ""
    long_events: int = 0
    quiet_conversation: str = ""
    neighbour_conversation: str = ""
    deaf: int = 0
    memory_seconds: float = 0
    idle_seconds: float = 0


def address(port: int, conversation: str, after: int, html: bool = False) -> str:
    return f"ws://127.0.0.1:{port}/sockets/events/{conversation}?after={after}" + ("&html=1" if html else "")


def dial(plan: Plan, url: str) -> connect:
    headers = {"Authorization": f"Bearer {plan.key}"}
    return connect(url, additional_headers=headers, max_size=None, proxy=None, compression=None)


class Restless:
    """Comes and goes at random, each time asking for what follows the last event that it had."""

    def __init__(self, plan: Plan, number: int, ended: "asyncio.Future[dict[str, Any]]") -> None:
        self.plan, self.ended = plan, ended
        self.chance = random.Random(f"{plan.seed} client {number}")
        self.conversation = plan.conversations[number % len(plan.conversations)]
        self.html = number % 10 == 0  # as our page asks; rendering is most of the work
        self.cursor, self.visits, self.refusals, self.codes = 0, 0, 0, set[int]()
        self.problems: list[str] = []
        self.digest = hashlib.sha256()

    async def live(self) -> None:
        while not self.is_done() and not self.problems:
            try:
                async with asyncio.timeout(None) as stay:
                    await self.visit(stay)
            except TimeoutError:
                pass  # it leaves because it wants to
            except (OSError, InvalidHandshake, InvalidMessage):
                self.refusals += 1
            except ConnectionClosed as closed:
                self.codes.add(closed.rcvd.code if closed.rcvd else 1006)
            await asyncio.sleep(self.chance.choice((0, 0.05, 0.3, 1, 3)) * self.chance.random())

    def report(self) -> dict[str, Any]:
        return {
            "conversation": self.conversation,
            "cursor": self.cursor,
            "digest": self.digest.hexdigest(),
            "visits": self.visits,
            "refusals": self.refusals,
            "codes": sorted(self.codes),
            "problems": self.problems,
        }

    def is_done(self) -> bool:
        return self.ended.done() and self.cursor >= self.ended.result()[self.conversation][0]

    async def visit(self, stay: asyncio.Timeout) -> None:
        """From the first frame on it may leave at any moment, in the middle of a replay too; not before it, or a
        slow machine would let nobody come forward. Once nothing more is written it is patient."""
        connection = await dial(self.plan, address(self.plan.port, self.conversation, self.cursor, self.html))
        self.visits += 1
        try:
            while not self.is_done():
                self.take(json.loads(await connection.recv()))
                if self.ended.done():
                    stay.reschedule(None)
                elif stay.when() is None:
                    stay.reschedule(asyncio.get_running_loop().time() + self.chance.expovariate(1 / 4))
                if self.chance.random() < 0.05:
                    await asyncio.sleep(self.chance.random())  # its machine is busy
                if self.chance.random() < 0.8:
                    await connection.send(json.dumps({"type": "seen", "sequence": self.cursor}))
        finally:
            await self.leave(connection)

    async def leave(self, connection: ClientConnection) -> None:
        if self.chance.random() < 0.5:
            connection.transport.abort()  # without a word
            return
        with suppress(Exception):
            await connection.close()

    def take(self, frame: dict[str, Any]) -> None:
        if frame["type"] == "replayed" and frame["sequence"] != self.cursor:
            self.problems.append(f"replayed to {frame['sequence']} with the cursor at {self.cursor}")
        if frame["type"] == "error":
            self.problems.append(f"an error: {frame}")
        for event in frame["events"] if frame["type"] == "events" else ():
            if event["sequence"] != self.cursor + 1:
                self.problems.append(f"{event['sequence']} came after {self.cursor}")
                return
            self.cursor = event["sequence"]
            self.digest.update(event["id"].encode())


async def crowd(plan: Plan) -> list[dict[str, Any]]:
    """All restless clients, until they have what the line on our input says that the logs hold."""
    ended: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
    clients = [Restless(plan, number, ended) for number in range(plan.clients)]
    lives = [asyncio.create_task(client.live()) for client in clients]
    ended.set_result(json.loads(await asyncio.to_thread(sys.stdin.readline)))
    _, late = await asyncio.wait(lives, timeout=UNTIL_CAUGHT_UP)
    for task in late:
        task.cancel()
    for client, end in zip(clients, await asyncio.gather(*lives, return_exceptions=True), strict=True):
        if end is not None:
            told = "".join(traceback.format_exception(end))
            client.problems.append(f"ended at {client.cursor}, visit {client.visits}: {told}")
    return [client.report() for client in clients]


async def idle(plan: Plan) -> dict[str, Any]:
    """Hears nothing for a long time, and then an event."""
    async with dial(plan, address(plan.steady_port, plan.quiet_conversation, 0)) as connection:
        quiet_since = time.monotonic()
        while (left := plan.idle_seconds - (time.monotonic() - quiet_since)) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await connection.recv()
        return {"heard_after": await exchange(plan, connection, plan.quiet_conversation)}


async def exchange(plan: Plan, connection: ClientConnection, conversation: str) -> float:
    """Seconds until the connection hears what is said on another one."""
    text, said = str(uuid4()), time.monotonic()
    async with dial(plan, address(plan.steady_port, conversation, 10**6)) as other:
        await other.send(json.dumps({"type": "message", "client_id": text, "text": text}))
        async with asyncio.timeout(10):
            while text not in str(await connection.recv()):
                pass
    return time.monotonic() - said


async def never_seen(plan: Plan) -> dict[str, Any]:
    """Reads all that comes and answers each ping, but never says what it has seen."""
    events, last = 0, time.monotonic()
    try:
        async with dial(plan, address(plan.steady_port, plan.long_conversation, 0)) as connection:
            while True:
                frame = json.loads(await connection.recv())
                if frame["type"] == "events":
                    events, last = events + len(frame["events"]), time.monotonic()
    except ConnectionClosed as closed:
        code = closed.rcvd.code if closed.rcvd else 1006
        return {"code": code, "events": events, "after": time.monotonic() - last}


async def memory(plan: Plan) -> dict[str, Any]:
    """What clients that do not read cost a server, and what as many that do read cost another one."""
    deaf = [Deaf(plan) for _ in range(plan.deaf)]
    readers = [reading(plan) for _ in range(plan.deaf)]
    before = resident_bytes(plan.steady_pid), resident_bytes(plan.baseline_pid)
    clients = asyncio.gather(*(client.live() for client in deaf), *readers)
    neighbour = asyncio.create_task(live_beside(plan))
    most = list(before)
    begun = time.monotonic()
    while time.monotonic() - begun < plan.memory_seconds:
        await asyncio.sleep(0.1)
        now = resident_bytes(plan.steady_pid), resident_bytes(plan.baseline_pid)
        most = [max(pair) for pair in zip(most, now, strict=True)]
    for client in deaf:
        client.may_read.set()
    await clients
    return {
        "deaf_bytes": (most[0] - before[0]) // plan.deaf,
        "reading_bytes": (most[1] - before[1]) // plan.deaf,
        "neighbour_heard_after": await neighbour,
        "deaf_were_dropped": [client.was_dropped for client in deaf],
    }


async def live_beside(plan: Plan) -> float:
    """How long an event takes to a good client while the deaf ones are there."""
    async with dial(plan, address(plan.steady_port, plan.neighbour_conversation, 0)) as connection:
        await asyncio.sleep(10)
        return await exchange(plan, connection, plan.neighbour_conversation)


class Deaf:
    """Asks for a whole log and then reads nothing, not even a ping; at the end it looks whether it was dropped."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.may_read = asyncio.Event()
        self.was_dropped = False

    async def live(self) -> None:
        raw = socket.socket()
        raw.setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, 4096
        )  # what the kernel holds costs Daphne nothing
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", self.plan.steady_port))
        reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
        writer.write(
            f"GET /sockets/events/{self.plan.long_conversation}?after=0 HTTP/1.1\r\nHost: localhost\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Authorization: Bearer {self.plan.key}\r\n\r\n".encode()
        )
        await self.may_read.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(10):
                with suppress(ConnectionError):
                    while await reader.read(MEGABYTE):
                        pass
                self.was_dropped = True
        writer.transport.abort()


async def reading(plan: Plan) -> None:
    """As the deaf ones, but it reads and says what it has seen."""
    async with dial(plan, address(plan.baseline_port, plan.long_conversation, 0)) as connection:
        begun, cursor = time.monotonic(), 0
        while (left := plan.memory_seconds - (time.monotonic() - begun)) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    found = LAST_SEQUENCE.findall(await connection.recv(decode=False))
                    if found:
                        cursor = int(found[-1])
                        await connection.send(json.dumps({"type": "seen", "sequence": cursor}))
        assert cursor >= plan.long_events, f"a reading client is at {cursor}"


async def main() -> None:
    plan = Plan(**json.loads(sys.argv[1]))
    scenes: dict[str, Coroutine[Any, Any, Any]] = {}
    if plan.clients:
        scenes["crowd"] = crowd(plan)
    if plan.idle_seconds:
        scenes |= {"idle": idle(plan), "never_seen": never_seen(plan)}
    if plan.memory_seconds:
        scenes["memory"] = memory(plan)
    results = await asyncio.gather(*scenes.values(), return_exceptions=True)
    shown = [repr(result) if isinstance(result, BaseException) else result for result in results]
    print(json.dumps(dict(zip(scenes, shown, strict=True))))


if __name__ == "__main__":
    asyncio.run(main())
