"""Database work of the sockets, in threads, so that no socket waits for another's."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import ParamSpec, TypeVar

from openhands_site.db import release_connection

P = ParamSpec("P")
T = TypeVar("T")


async def in_thread(
    threads: ThreadPoolExecutor, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> T:
    """The function's result, from a thread of `threads`, whose database connection is given back after it."""

    def call() -> T:
        try:
            return function(*args, **kwargs)
        finally:
            release_connection()

    return await asyncio.get_running_loop().run_in_executor(threads, copy_context().run, call)
