import asyncio
import contextlib
import json
import time
import uuid
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from pytest_django import Settings

from openhands_site import async_thread
from sandboxes import client
from sandboxes.backends import memory as memory_backend
from sandboxes.backends.base import SandboxSpec
from sandboxes.backends.memory import MemoryBackend
from sandboxes.client import Reachable
from sandboxes.errors import BootChanged, Discarded, FenceTooOld, Unreachable
from sandboxes.protocol import ActionRequest, Result
from tests.sandboxes import machine


@pytest.fixture
def where(memory: object, home: Path) -> Reachable:
    sandbox_id = uuid.uuid4()
    return machine.reachable(sandbox_id, MemoryBackend().start(sandbox_id, SandboxSpec(), lambda *_: None))


def put(where: Reachable, action_id: UUID, command: str, *, fence: int = 1, boot_id: str = "") -> Result:
    request = ActionRequest("conversation", boot_id or where.boot_id, fence, "terminal", {"command": command})
    return async_thread.run(client.put_action(where, action_id, request)).result(10)


def test_an_action_runs_once_however_often_it_is_put(where: Reachable) -> None:
    action_id = uuid.uuid4()
    first = put(where, action_id, "echo once")
    assert put(where, action_id, "echo twice") == first
    assert first.content[0].text == "once\n"


def test_an_action_for_another_boot_does_not_run(where: Reachable) -> None:
    with pytest.raises(BootChanged):
        put(where, uuid.uuid4(), "write ran yes", boot_id="an earlier one")
    assert machine.run(where, "cat ran").meta["exit_code"] == 1


def test_an_action_under_an_older_fence_does_not_run(where: Reachable) -> None:
    put(where, uuid.uuid4(), "true", fence=5)
    with pytest.raises(FenceTooOld):
        put(where, uuid.uuid4(), "true", fence=4)


def test_an_action_whose_result_is_stored_or_that_was_interrupted_unseen_never_runs(where: Reachable) -> None:
    stored, unseen = uuid.uuid4(), uuid.uuid4()
    put(where, stored, "true")
    async_thread.run(client.discard_action(where, stored)).result(10)
    async_thread.run(client.interrupt_action(where, unseen)).result(10)
    for action_id in (stored, unseen):
        with pytest.raises(Discarded):
            put(where, action_id, "true")


def test_a_running_action_can_be_joined_and_interrupted(where: Reachable) -> None:
    action_id = uuid.uuid4()
    request = ActionRequest(
        "conversation", where.boot_id, 1, "terminal", {"command": "echo so far\nhold the-line"}
    )
    futures = [async_thread.run(client.put_action(where, action_id, request)) for _ in range(2)]
    while "the-line" not in memory_backend.held:
        async_thread.run(asyncio.sleep(0.002)).result(1)
    async_thread.run(client.interrupt_action(where, action_id)).result(10)
    results = [future.result(10) for future in futures]
    assert results[0] == results[1]
    assert results[0].outcome == "interrupted"
    assert results[0].content[0].text == "so far\n"


def test_a_wrong_key_is_as_unreachable_as_no_server(where: Reachable) -> None:
    stranger = Reachable(where.sandbox_id, where.url, "wrong", where.boot_id)
    with pytest.raises(Unreachable, match="does not know its key"):
        machine.health(stranger)
    memory_backend.kill(where.sandbox_id)
    with pytest.raises(Unreachable, match="does not answer"):
        machine.health(where)


def test_a_sandbox_that_crashes_under_an_action_is_unreachable(where: Reachable) -> None:
    with pytest.raises(Unreachable):
        put(where, uuid.uuid4(), "die")
    assert not list(MemoryBackend().lives())


def test_what_the_sandbox_cannot_accept_is_a_result_that_the_model_can_mend(where: Reachable) -> None:
    result = put(where, uuid.uuid4(), "echo " + "x" * 65_000_000)
    assert result.outcome == "error"
    assert "does not accept this call" in result.content[0].text


def test_a_cancelled_wait_leaves_the_action_running(where: Reachable) -> None:
    action_id = uuid.uuid4()
    request = ActionRequest("conversation", where.boot_id, 1, "terminal", {"command": "hold on\necho done"})
    waiting = async_thread.run(client.put_action(where, action_id, request))
    while "on" not in memory_backend.held:
        async_thread.run(asyncio.sleep(0.002)).result(1)
    waiting.cancel()
    memory_backend.release("on")
    assert put(where, action_id, "hold on").content[0].text == "done\n"


@pytest.mark.parametrize("code", ["discarded", "anything"])
def test_who_refuses_to_say_that_it_is_well_is_something_else(where: Reachable, code: str) -> None:
    body = json.dumps({"code": code, "message": "No."}).encode()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 410 Gone\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        writer.close()

    async def ask() -> None:
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            await client.health(replace(where, url=f"http://127.0.0.1:{port}"))

    with pytest.raises(Unreachable, match="Something else answers"):
        async_thread.run(ask()).result(10)


def test_an_answer_without_end_is_not_read_to_its_end(
    where: Reachable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MOST_BYTES", 1_000_000)

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b" " * 65_536)
                await writer.drain()
        writer.close()

    async def ask() -> None:
        async with await asyncio.start_server(babble, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            await client.put_action(
                replace(where, url=f"http://127.0.0.1:{port}"),
                uuid.uuid4(),
                ActionRequest("conversation", where.boot_id, 1, "terminal", {"command": "true"}),
            )

    with pytest.raises(Unreachable, match="an answer of more than 1 MB"):
        async_thread.run(ask()).result(10)


def test_a_sandbox_that_is_there_and_answers_nothing_is_silent_however_long_its_command_may_take(
    where: Reachable, settings: Settings
) -> None:
    settings.SANDBOX_DEAD_AFTER = 1
    action_id = uuid.uuid4()
    request = ActionRequest("conversation", where.boot_id, 1, "terminal", {"command": "hold me\necho done"})
    waiting = async_thread.run(client.put_action(where, action_id, request))
    with pytest.raises(TimeoutError):
        waiting.result(2)  # a command takes as long as it takes
    memory_backend.freeze(where.sandbox_id)
    with pytest.raises(Unreachable, match="not answered for"):
        waiting.result(10)
    memory_backend.thaw(where.sandbox_id)
    memory_backend.release("me")
    assert put(where, action_id, "hold me").content[0].text == "done\n"


def test_a_short_silence_is_none(where: Reachable, settings: Settings) -> None:
    settings.SANDBOX_DEAD_AFTER = 2
    request = ActionRequest("conversation", where.boot_id, 1, "terminal", {"command": "sleep 3\necho done"})
    waiting = async_thread.run(client.put_action(where, uuid.uuid4(), request))
    for _ in range(3):
        memory_backend.freeze(where.sandbox_id)
        async_thread.run(asyncio.sleep(0.7)).result(2)
        memory_backend.thaw(where.sandbox_id)
        async_thread.run(asyncio.sleep(0.7)).result(2)
    assert waiting.result(10).content[0].text == "done\n"


def test_that_we_ourselves_stood_still_is_no_silence_of_the_sandbox(
    where: Reachable, settings: Settings
) -> None:
    settings.SANDBOX_DEAD_AFTER = 1.2
    request = ActionRequest("conversation", where.boot_id, 1, "terminal", {"command": "sleep 3\necho done"})
    waiting = async_thread.run(client.put_action(where, uuid.uuid4(), request))
    time.sleep(0.35)  # while it asks for the first time
    async_thread.loop().call_soon_threadsafe(time.sleep, 2)
    assert waiting.result(10).content[0].text == "done\n"
