"""HTTP from an event loop: one session for each loop, its connections kept from call to call."""

import asyncio
import atexit
from typing import Any
from weakref import WeakKeyDictionary

import aiohttp


class LoopSession:
    """`options` are of aiohttp's session. It has no limit of connections: each of a hundred conversations waits for
    an answer of its own. It keeps no cookies."""

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, aiohttp.ClientSession] = (
            WeakKeyDictionary()
        )

    def get(self) -> aiohttp.ClientSession:
        """The running loop's session."""
        loop = asyncio.get_running_loop()
        session = self._sessions.get(loop)
        if session is None or session.closed:
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar(), **self._options
            )
            self._sessions[loop] = session
            atexit.register(self._close_at_exit, loop)
        return session

    async def close(self) -> None:
        """Closes the running loop's session; the next call makes a new one."""
        session = self._sessions.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()

    def _close_at_exit(self, loop: asyncio.AbstractEventLoop) -> None:
        if loop.is_running():
            asyncio.run_coroutine_threadsafe(self.close(), loop).result(1)
