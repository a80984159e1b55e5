"""Sandboxes in this process, for tests: the real action server on the loop's thread, with a shell made of words.

No process is started, so a test of the agent's loop is quick and does the same each time. The registry of actions,
the protocol and the file editor are the real ones. A life ends with this process, its files stay in SANDBOX_FOLDER.
"""

import asyncio
import secrets
import uuid
from collections.abc import Awaitable, Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from aiohttp import web
from aiohttp.typedefs import Handler
from django.conf import settings

from openhands_site import async_thread
from sandboxes.action_server.actions import Actions, Tool
from sandboxes.action_server.app import create_app
from sandboxes.action_server.files import FileEditor
from sandboxes.backends.base import Backend, Handle, Life, Progress, SandboxSpec, Started
from sandboxes.backends.trees import remove_tree
from sandboxes.protocol import ActionRequest, Part, Result

HOLD_POLL_SECONDS = 0.005
held: set[str] = set()
_released: set[str] = set()
_servers: dict[UUID, "_Server"] = {}


def release(name: str) -> None:
    """Lets the command `hold NAME` end."""
    _released.add(name)


def kill(sandbox_id: UUID) -> None:
    """Ends the sandbox's life as a crash would: nobody is told."""
    server = _servers.pop(sandbox_id, None)
    if server is not None:
        async_thread.run(server.close()).result(5)


def kill_all() -> None:
    """So that the next test finds none of this one's."""
    for sandbox_id in list(_servers):
        kill(sandbox_id)


def freeze(sandbox_id: UUID) -> None:
    """It is there, and answers nobody."""
    _servers[sandbox_id].awake.clear()


def refuse(sandbox_id: UUID) -> None:
    """It is there, and hangs up on everybody."""
    async_thread.run(_servers[sandbox_id].close()).result(5)


def thaw(sandbox_id: UUID) -> None:
    async_thread.loop().call_soon_threadsafe(_servers[sandbox_id].awake.set)


class MemoryBackend(Backend):
    @property
    def isolation(self) -> str:
        return "in memory, for tests"

    @property
    def is_contained(self) -> bool:
        return True

    @classmethod
    def prepare(cls) -> None:
        """Nothing is shared."""

    def start(self, sandbox_id: UUID, spec: SandboxSpec, progress: Progress) -> Started:
        progress("create", "")
        kill(sandbox_id)
        self._folder(sandbox_id).mkdir(parents=True, exist_ok=True)
        progress("boot", "")
        server = _Server(sandbox_id, self._folder(sandbox_id))
        async_thread.run(server.serve()).result(5)
        _servers[sandbox_id] = server
        handle = {"boot_id": server.boot_id}
        return Started(f"http://127.0.0.1:{server.port}", server.key, server.boot_id, handle, self.isolation)

    def poll(self, sandbox_id: UUID, handle: Handle) -> str | None:
        server = _servers.get(sandbox_id)
        if server and server.boot_id == handle["boot_id"]:
            return None
        return "The sandbox in memory has ended."

    def stop(self, sandbox_id: UUID, handle: Handle, *, now: bool = False) -> None:
        if self.poll(sandbox_id, handle) is None:
            kill(sandbox_id)

    def remove(self, sandbox_id: UUID) -> None:
        kill(sandbox_id)
        remove_tree(self._folder(sandbox_id))

    def logs(self, sandbox_id: UUID) -> str:
        return ""

    def disk_bytes(self, sandbox_ids: Collection[UUID]) -> dict[UUID, int]:
        return {sandbox_id: self._size(sandbox_id) for sandbox_id in sandbox_ids}

    def lives(self) -> Iterator[Life]:
        for sandbox_id, server in list(_servers.items()):
            if server.folder == self._folder(sandbox_id):
                yield Life(sandbox_id, {"boot_id": server.boot_id})

    def _size(self, sandbox_id: UUID) -> int:
        return sum(path.stat().st_size for path in self._folder(sandbox_id).rglob("*") if path.is_file())

    @staticmethod
    def _folder(sandbox_id: UUID) -> Path:
        folder: Path = settings.SANDBOX_FOLDER
        return folder / str(sandbox_id)


class _Server:
    """One life: an action server that listens on the loopback."""

    def __init__(self, sandbox_id: UUID, folder: Path) -> None:
        self.folder = folder
        self.key = secrets.token_urlsafe(16)
        self.boot_id = uuid.uuid4().hex
        self.port = 0
        self._terminal = _Terminal(folder, die=lambda: _kill_soon(sandbox_id))
        tools: dict[str, Tool] = {
            "terminal": self._terminal,
            "file_editor": FileEditor(folder, readable=folder),
        }
        app = create_app(
            key=self.key,
            boot_id=self.boot_id,
            actions=Actions(self.boot_id, tools),
            max_body=64_000_000,
        )
        self.awake = asyncio.Event()
        self.awake.set()
        app.middlewares.insert(0, self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        await self.awake.wait()
        response = await handler(request)
        await self.awake.wait()
        return response

    async def serve(self) -> None:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        self._terminal.abandon()
        self.awake.set()
        await self._runner.cleanup()


def _kill_soon(sandbox_id: UUID) -> None:
    """The same from the loop's own thread."""
    server = _servers.pop(sandbox_id, None)
    if server is not None:
        asyncio.get_running_loop().call_soon(asyncio.ensure_future, server.close())


@dataclass
class _Run:
    """One command: what it printed, and whether it was interrupted."""

    interrupted: asyncio.Event
    printed: str = ""


class _Terminal:
    """A shell that knows a few words, a command a line:

    echo TEXT | write FILE TEXT | cat FILE | pwd | true | false | exit N | sleep SECONDS
    hold NAME   runs until the test calls `release(NAME)`; NAME is in `held` meanwhile
    die         the sandbox crashes
    """

    def __init__(self, folder: Path, die: Callable[[], None]) -> None:
        self._folder = folder
        self._die = die
        self._tasks: set[asyncio.Task[Result]] = set()
        self._words: dict[str, Callable[[_Run, str], Awaitable[int]]] = {
            "cat": self._cat,
            "die": self._end,
            "echo": self._echo,
            "hold": self._hold,
            "sleep": self._sleep,
            "write": self._write,
        }

    def abandon(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def run(self, request: ActionRequest, interrupted: asyncio.Event) -> Result:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            return await self._interpret(str(request.arguments.get("command", "")), _Run(interrupted))
        finally:
            self._tasks.discard(task)

    async def _interpret(self, script: str, run: _Run) -> Result:
        code = 0
        for line in filter(None, map(str.strip, script.splitlines())):
            word, _, rest = line.partition(" ")
            if word == "exit":
                code = int(rest or 0)
                break
            code = await self._carry_out(run, word, rest)
            if run.interrupted.is_set():
                return Result("interrupted", [Part("text", run.printed)], {"exit_code": 130})
        meta = {"exit_code": code, "working_directory": str(self._folder), "still_running": False}
        return Result("ok", [Part("text", run.printed)], meta)

    async def _carry_out(self, run: _Run, word: str, rest: str) -> int:
        if word in ("true", "false"):
            return int(word == "false")
        if word == "pwd":
            return await self._echo(run, str(self._folder))
        if word in self._words:
            return await self._words[word](run, rest)
        run.printed += f"{word}: command not found\n"
        return 127

    async def _echo(self, run: _Run, rest: str) -> int:
        run.printed += f"{rest}\n"
        return 0

    async def _cat(self, run: _Run, rest: str) -> int:
        path = self._folder / rest
        if not path.is_file():
            run.printed += f"cat: {rest}: No such file or directory\n"
            return 1
        run.printed += path.read_text()
        return 0

    async def _write(self, run: _Run, rest: str) -> int:
        name, _, text = rest.partition(" ")
        (self._folder / name).write_text(text + "\n")
        return 0

    async def _sleep(self, run: _Run, rest: str) -> int:
        try:
            await asyncio.wait_for(run.interrupted.wait(), float(rest))
        except TimeoutError:
            return 0
        return 130

    async def _hold(self, run: _Run, rest: str) -> int:
        held.add(rest)
        try:
            while rest not in _released and not run.interrupted.is_set():
                await asyncio.sleep(HOLD_POLL_SECONDS)
        finally:
            held.discard(rest)
        _released.discard(rest)
        return 0

    async def _end(self, run: _Run, rest: str) -> int:
        self._die()
        await asyncio.Event().wait()
        return 0
