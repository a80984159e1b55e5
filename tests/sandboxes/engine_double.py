"""An engine of words on a socket of its own: for what no engine that happens to run here is."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


@dataclass
class EngineDouble:
    """`answers` are by path, without the version; what is not there is a 404. `asked` are the requests, as they came."""

    address: str
    version: str = "1.41"
    oldest: str = "1.12"
    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> tuple[int, Any]:
        if path == "/version":
            return HTTPStatus.OK, {"ApiVersion": self.version, "MinAPIVersion": self.oldest}
        spoken, _, rest = path.removeprefix("/v").partition("/")
        if not _order(self.oldest) <= _order(spoken) <= _order(self.version):
            return HTTPStatus.BAD_REQUEST, {"message": f"client version {spoken} is too old or too new"}
        if (answer := self.answers.get(f"/{rest}")) is None:
            return HTTPStatus.NOT_FOUND, {"message": f"No such thing: {rest}"}
        return HTTPStatus.OK, answer


@contextmanager
def engine_double(folder: Path, **what: Any) -> Iterator[EngineDouble]:
    double = EngineDouble(f"unix://{folder}/engine.sock", **what)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            double.asked.append(f"{self.command} {self.path}")
            status, answer = double.answer(urlsplit(self.path).path)
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_DELETE = do_GET

        def log_message(self, *_: object) -> None:
            pass

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

    with Server(f"{folder}/engine.sock", Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield double
        finally:
            server.shutdown()
            thread.join()


def _order(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
