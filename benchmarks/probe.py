"""A person who looks at the server while it works: how long other requests take meanwhile."""

import http.client
import itertools
import threading
import time
from collections.abc import Sequence
from typing import Self


class Probe:
    """Asks for the paths in turn while the `with` lasts. `times` are in milliseconds from the moment at which each request
    was due, every `interval` seconds: one that keeps others waiting counts for them, too."""

    def __init__(
        self, port: int, headers: dict[str, str], paths: Sequence[str], interval: float = 0.05
    ) -> None:
        self.times: list[float] = []
        self._port, self._headers, self._paths, self._interval = port, headers, paths, interval
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("localhost", self._port, timeout=30)
        due = time.perf_counter()
        for path in itertools.cycle(self._paths):
            due += self._interval
            if self._ended.wait(max(0.0, due - time.perf_counter())):
                break
            timed(connection, path, self._headers)
            self.times.append((time.perf_counter() - due) * 1000)
        connection.close()


def timed(connection: http.client.HTTPConnection, path: str, headers: dict[str, str]) -> float:
    """Milliseconds from the request to the whole answer."""
    begun = time.perf_counter()
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == http.HTTPStatus.OK, body[:500]
    return (time.perf_counter() - begun) * 1000
