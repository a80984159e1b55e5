"""Clients of the sockets, in a process of their own that does next to nothing, so that it does not measure itself.

`python -m benchmarks.watching` reads its order from standard input (`{"port", "key", "sockets": [[conversation id,
after], …]}`), says `ready` when all have been told of everything so far, and at the end of its input, when nothing
comes any more, writes what each saw: the sequence of every event and when the frame that held it had come whole, by the
clock of the day.
"""

import json
import os
import re
import selectors
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from itertools import accumulate
from types import TracebackType
from typing import Any, Self

from benchmarks.machine import ROOT

SEQUENCE = re.compile(rb'\{"sequence":\s*(\d+)')
SEEN_EVERY = 128 * 1024  # bytes; the server waits after 1,000 events or 4 MB that were not said to be seen
QUIET_SECONDS = 0.3  # what was told last may still be on its way when the input ends
# Reading a frame's sequences is left for afterwards; what must be known at once is whether the replay has ended.
REPLAYED = b'"replayed"'
Arrivals = dict[int, float]


class Socket:
    """One socket of a conversation, with all that came on it and when."""

    def __init__(self, port: int, key: str, conversation_id: str, after: int) -> None:
        self.pieces: list[tuple[float, bytes]] = []
        self.is_replayed = False
        self.replayed_at = 0.0
        self._unseen = 0
        self.begun_at = time.time()
        self.line = socket.create_connection(("127.0.0.1", port))
        self.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.line.sendall(
            f"GET /sockets/events/{conversation_id}?after={after} HTTP/1.1\r\nHost: localhost:{port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {'A' * 22}==\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
        )

    def read(self) -> None:
        data = self.line.recv(1024 * 1024)
        now = time.time()
        assert data, "the server closed a socket"
        self.pieces.append((now, data))
        if not self.is_replayed and REPLAYED in (self.pieces[-2][1] if len(self.pieces) > 1 else b"") + data:
            self.is_replayed, self.replayed_at = True, now
        self._unseen += len(data)
        if self._unseen > SEEN_EVERY and (found := SEQUENCE.findall(data)):
            self.say({"type": "seen", "sequence": int(found[-1])})
            self._unseen = 0

    def say(self, frame: dict[str, Any]) -> None:
        """A client's frame has to be masked; a mask of zeros changes nothing."""
        text = json.dumps(frame).encode()
        self.line.sendall(struct.pack("!BB4x", 0x81, 0x80 | len(text)) + text)

    def arrivals(self) -> Arrivals:
        return arrivals(self.pieces)


def arrivals(pieces: Sequence[tuple[float, bytes]]) -> Arrivals:
    """When the frame with each event had come whole. Pure."""
    data = b"".join(piece for _, piece in pieces)
    ends = list(zip(accumulate(len(piece) for _, piece in pieces), (at for at, _ in pieces), strict=True))
    found: Arrivals = {}
    position, piece_number = data.index(b"\r\n\r\n") + 4, 0
    while position < len(data):
        start, size = _frame(data, position)
        position = start + size
        while ends[piece_number][0] < position:
            piece_number += 1
        for sequence in SEQUENCE.findall(data[start:position]):
            found.setdefault(int(sequence), ends[piece_number][1])
    return found


def _frame(data: bytes, position: int) -> tuple[int, int]:
    """Where the text of the frame at `position` begins, and its length."""
    size = data[position + 1] & 127
    if size == 126:
        return position + 4, struct.unpack_from("!H", data, position + 2)[0]
    if size == 127:
        return position + 10, struct.unpack_from("!Q", data, position + 2)[0]
    return position + 2, size


def main() -> None:
    order = json.loads(sys.stdin.readline())
    selector = selectors.DefaultSelector()
    sockets = []
    for conversation_id, after in order["sockets"]:
        opened = Socket(order["port"], order["key"], conversation_id, after)
        sockets.append(opened)
        selector.register(opened.line, selectors.EVENT_READ, opened)
    selector.register(sys.stdin, selectors.EVENT_READ)
    is_ready = is_over = False
    while chosen := selector.select(QUIET_SECONDS if is_over else None):
        for key, _ in chosen:
            if key.data is None:
                is_over = True
                selector.unregister(sys.stdin)
            else:
                key.data.read()
        if not is_ready and all(each.is_replayed for each in sockets):
            is_ready = True
            os.write(1, b"ready\n")
    json.dump([[each.replayed_at - each.begun_at, each.arrivals()] for each in sockets], sys.stdout)


class Watchers:
    """Sockets spread over `processes` clients; `with` opens them and waits until all are replayed.

    After it `replays` holds each socket's seconds from its opening to the end of its replay, and `seen` what came on
    it, each with its conversation.
    """

    def __init__(self, port: int, key: str, sockets: Sequence[tuple[str, int]], processes: int = 1) -> None:
        self.replays: list[float] = []
        self.seen: list[tuple[str, Arrivals]] = []
        self._orders: list[dict[str, Any]] = [
            {"port": port, "key": key, "sockets": list(sockets[number::processes])}
            for number in range(min(processes, len(sockets)))
        ]

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "benchmarks.watching"]
        self._processes = [
            subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in self._orders
        ]
        for process, order in zip(self._processes, self._orders, strict=True):
            assert process.stdin
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
        for process in self._processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n", "a client of the sockets failed"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        for process, order in zip(self._processes, self._orders, strict=True):
            if kind is not None:
                process.kill()
            told, _ = process.communicate(timeout=60)
            if kind is not None:
                continue
            for (conversation_id, _), (replay, seen) in zip(order["sockets"], json.loads(told), strict=True):
                self.replays.append(replay)
                self.seen.append((conversation_id, {int(sequence): at for sequence, at in seen.items()}))


if __name__ == "__main__":
    main()
