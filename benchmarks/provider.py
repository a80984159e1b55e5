"""A stand-in for a model's provider that answers at once: OpenAI's chat completions, streamed, on loopback.

`python -m benchmarks.provider` prints its base URL and serves until its standard input ends. A model's name says what
it does: `steps-<N>-<milliseconds>-<mark>` calls the terminal with `echo 0`, `echo 1`, … N times, each after so many
milliseconds, and then finishes; with a mark that begins with `held`, the first call waits for `GET /release`, so that
many begin at once, or with `?over=<seconds>` evenly over that time. It parses nothing of a request but its length, the
model's name and how many replies it holds, so that what is measured is not its own work. `GET /requests/<mark>` tells
when each request had come whole and was answered (seconds of the machine's monotonic clock); `GET /held` tells how many
wait.
"""

import asyncio
import json
import re
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

MODEL = re.compile(rb'"model":\s*"(?:[^"]*/)?steps-(\d+)-(\d+)-([0-9a-z]+)"')
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
seen: dict[str, list[tuple[float, float]]] = defaultdict(list)
held: list[Callable[[], None]] = []


class Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.received = bytearray()

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, separator, _ = self.received.partition(b"\r\n\r\n")
        if not separator:
            return
        length = LENGTH.search(head)
        size = len(head) + 4 + (int(length[1]) if length else 0)
        if len(self.received) >= size:
            request, self.received = bytes(self.received[:size]), self.received[size:]
            self.answer(request)

    def answer(self, request: bytes) -> None:
        came = time.monotonic()
        if request.startswith(b"GET /"):
            body = json.dumps(_told(request.split(b" ", 2)[1].decode())).encode()
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            return
        model = MODEL.search(request)
        assert model, request[:500]
        steps, milliseconds, mark = int(model[1]), int(model[2]), model[3].decode()
        made = request.count(b'"role": "assistant"') + request.count(b'"role":"assistant"')
        reply = HEAD + b"".join(_framed(chunk) for chunk in _chunks(made, steps, len(request) // 4))
        if mark.startswith("held") and made == 0:
            held.append(lambda: self.reply(reply, came, mark))
        else:
            asyncio.get_running_loop().call_later(milliseconds / 1000, self.reply, reply, came, mark)

    def reply(self, reply: bytes, came: float, mark: str) -> None:
        self.transport.write(reply)
        seen[mark].append((came, time.monotonic()))


def _told(path: str) -> object:
    """The answer to whoever measures."""
    if path == "/held":
        return len(held)
    if path.startswith("/release"):
        over = float(path.partition("?over=")[2] or 0)
        for place, answer in enumerate(held):
            asyncio.get_running_loop().call_later(over * place / len(held), answer)
        held.clear()
        return 0
    return seen.get(path.rpartition("/")[2], [])


def _chunks(made: int, steps: int, prompt_tokens: int) -> list[dict[str, Any] | None]:
    """As OpenAI sends a call of a tool: the name, the arguments in two pieces, the end, the usage."""
    if made < steps:
        name, pieces = "terminal", ('{"command": "echo ', f'{made}"}}')
    else:
        name, pieces = "finish", ('{"message": ', '"Done."}')
    function: dict[str, Any] = {"name": name, "arguments": ""}
    first = {"index": 0, "id": f"call_{made}", "type": "function", "function": function}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None, "tool_calls": [first]}]
    deltas += [{"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in pieces]
    choices: list[dict[str, Any]] = [{"index": 0, "delta": each, "finish_reason": None} for each in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "tool_calls"})
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": 20, "total_tokens": prompt_tokens + 20}
    return [*({"choices": [choice]} for choice in choices), {"choices": [], "usage": usage}, None]


def _framed(chunk: dict[str, Any] | None) -> bytes:
    """One server-sent event in one chunk of HTTP; None ends the answer."""
    if chunk is None:
        return b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
    envelope = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 0, "model": "steps"}
    data = b"data: " + json.dumps({**envelope, **chunk}).encode() + b"\n\n"
    return b"%x\r\n%b\r\n" % (len(data), data)


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=1024)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
