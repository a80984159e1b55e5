"""A Redis of a test's own, on a socket of its own, which can be stopped, started again and frozen."""

import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType

import redis

from openhands_site import redis_server


class RedisProcess:
    def __init__(self, socket: Path) -> None:
        self.url = f"unix://{socket}"
        self._socket = socket
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "RedisProcess":
        self.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when it answers."""
        server = redis_server.find_server()
        assert server
        redis_server.prepare_folder(self._socket)
        command = redis_server.command(server, self._socket)
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self._answers():
            if time.monotonic() > deadline:
                self.stop()
                raise TimeoutError("Redis did not start")
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """It keeps its connections and answers nothing."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def publish(self, channel: str, message: str) -> int:
        """How many heard it."""
        with redis.Redis.from_url(self.url) as client:
            return int(client.publish(channel, message))

    def subscriptions(self) -> set[str]:
        with redis.Redis.from_url(self.url) as client:
            return {channel.decode() for channel in client.pubsub_channels()}

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False
