"""The typed client of the action server. Everything here runs on one event loop and may be cancelled at any time:
an action goes on where its caller went away, and the same `put_action` joins it again."""

import asyncio
import atexit
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

import aiohttp
from django.conf import settings

from sandboxes.errors import ActionRefused, BootChanged, Discarded, FenceTooOld, Unreachable
from sandboxes.protocol import STORED, ActionRequest, Health, Part, Refusal, Result

CONNECT_SECONDS = 3
SHORT_SECONDS = 10  # for every request that is not for as long as the sandbox lives
QUESTIONS = 4  # without an answer, one after the other, until nobody is taken to be there
MOST_BYTES = 64_000_000  # of an answer: a file of 10 MB with every character escaped
PIECE_BYTES = 65_536
_LONG = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS)
_SHORT = aiohttp.ClientTimeout(total=SHORT_SECONDS, sock_connect=CONNECT_SECONDS)
_REFUSALS: dict[str, type[ActionRefused]] = {
    "boot_changed": BootChanged,
    "fence_too_old": FenceTooOld,
    "discarded": Discarded,
}
_sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = WeakKeyDictionary()


@dataclass(frozen=True)
class Reachable:
    """Where one life of a sandbox answers."""

    sandbox_id: UUID
    url: str
    key: str = field(repr=False)
    boot_id: str


async def health(reachable: Reachable) -> Health:
    """Raises Unreachable within seconds where nothing of ours answers."""
    try:
        async with _request("GET", reachable, "/health", _SHORT) as response:
            return Health.from_json(await response.json())
    except (ActionRefused, _Unacceptable) as error:
        raise Unreachable(f"Something else answers in the sandbox's place: {error}") from error


async def put_action(
    reachable: Reachable, action_id: UUID, request: ActionRequest, *, stored: UUID | None = None
) -> Result:
    """Runs the action, or joins it, or returns its stored result; waits as long as it takes, while the sandbox lives.
    Says along with it that the result of `stored`, another action, is stored, as `discard_action` does.

    Raises Unreachable, BootChanged, FenceTooOld or Discarded. What the sandbox cannot accept for its form or size is
    a result that the model can mend.
    """
    headers = {STORED: str(stored)} if stored else None
    put = _request("PUT", reachable, f"/actions/{action_id}", _LONG, request.to_json(), headers)
    try:
        async with _while_it_answers(reachable), put as response:
            return Result.from_json(await response.json())
    except _Unacceptable as error:
        return Result("error", [Part("text", f"The sandbox does not accept this call: {error}")])


async def interrupt_action(reachable: Reachable, action_id: UUID) -> None:
    """Ends the action; one that was never seen never runs. Repeatable. Waits until it is heard, while the sandbox
    lives; raises Unreachable."""
    path = f"/actions/{action_id}/interrupt"
    async with _while_it_answers(reachable), _request("POST", reachable, path, _LONG):
        pass


async def discard_action(reachable: Reachable, action_id: UUID) -> None:
    """Says that the action's result is stored, or that it is not wanted. Repeatable. Raises Unreachable."""
    async with _request("DELETE", reachable, f"/actions/{action_id}", _SHORT):
        pass


async def close() -> None:
    """Closes this loop's session; the next request makes a new one."""
    session = _sessions.pop(asyncio.get_running_loop(), None)
    if session is not None:
        await session.close()


@asynccontextmanager
async def _while_it_answers(reachable: Reachable) -> AsyncIterator[None]:
    """Breaks off what is awaited in here, and raises Unreachable, once nobody is there any more."""
    try:
        async with asyncio.timeout(None) as patience:
            watch = asyncio.create_task(_watch(reachable, patience))
            try:
                yield
            finally:
                watch.cancel()
    except TimeoutError as error:
        silence = settings.SANDBOX_DEAD_AFTER
        raise Unreachable(f"The sandbox has not answered for {silence} s.", silence) from error


async def _watch(reachable: Reachable, patience: asyncio.Timeout) -> None:
    """Questions are counted and not time alone, for it may be we who stood still."""
    every = settings.SANDBOX_DEAD_AFTER / QUESTIONS
    await asyncio.sleep(every)
    unanswered = 0
    while unanswered < QUESTIONS:
        answers, _ = await asyncio.gather(_answers(reachable, every), asyncio.sleep(every))
        unanswered = 0 if answers else unanswered + 1
    patience.reschedule(0)


async def _answers(reachable: Reachable, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await health(reachable)
    except (Unreachable, TimeoutError):
        return False
    return True


class _Unacceptable(Exception):
    """The request's form or size is wrong."""


@asynccontextmanager
async def _request(
    method: str,
    reachable: Reachable,
    path: str,
    timeout: aiohttp.ClientTimeout,
    body: dict[str, Any] | None = None,
    more_headers: dict[str, str] | None = None,
) -> AsyncIterator[aiohttp.ClientResponse]:
    begun = asyncio.get_running_loop().time()
    headers = {
        "Authorization": f"Bearer {reachable.key}",
        "Content-Type": "application/json",
        **(more_headers or {}),
    }
    try:
        async with _session().request(
            method, reachable.url + path, data=_stream(body), headers=headers, timeout=timeout
        ) as response:
            if response.status >= 400:
                raise await _refusal(response)
            yield response
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, LookupError, TypeError) as error:
        # No longer than it was asked for: if more time has passed, it was we who stood still.
        waited = min(asyncio.get_running_loop().time() - begun, timeout.total or CONNECT_SECONDS)
        silence = waited if isinstance(error, TimeoutError) else 0.0
        raise Unreachable(
            f"The sandbox does not answer: {error or type(error).__name__}.", silence
        ) from error


class _Bounded(aiohttp.ClientResponse):
    """What answers in a sandbox may be the image's own, and never end."""

    async def read(self) -> bytes:
        body = bytearray()
        async for piece in self.content.iter_chunked(PIECE_BYTES):
            body += piece
            if len(body) > MOST_BYTES:
                self.close()
                raise ValueError(f"an answer of more than {MOST_BYTES // 1_000_000} MB")
        self._body = bytes(body)
        return self._body


def _stream(body: dict[str, Any] | None) -> BytesIO | None:
    """Sent piece by piece: a large body in one would hold up the loop."""
    return None if body is None else BytesIO(json.dumps(body).encode())


async def _refusal(response: aiohttp.ClientResponse) -> Exception:
    refusal = Refusal(**await response.json())
    if refusal.code == "unauthorized":
        return Unreachable("Something answers in the sandbox's place that does not know its key.")
    return _REFUSALS.get(refusal.code, _Unacceptable)(refusal.message)


def _session() -> aiohttp.ClientSession:
    """One a loop, without a limit: each of a hundred conversations waits for an action of its own."""
    loop = asyncio.get_running_loop()
    session = _sessions.get(loop)
    if session is None or session.closed:
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            response_class=_Bounded,
        )
        _sessions[loop] = session
        atexit.register(_close_at_exit, loop)
    return session


def _close_at_exit(loop: asyncio.AbstractEventLoop) -> None:
    if loop.is_running():
        asyncio.run_coroutine_threadsafe(close(), loop).result(1)
