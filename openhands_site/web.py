"""Daphne with our settings and our log: `python -m openhands_site.web`."""

import sys
from contextlib import suppress
from typing import Any

import daphne.server
import structlog
from autobahn.exception import Disconnected
from daphne.endpoints import build_endpoint_description_strings
from daphne.server import Server
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from django.conf import settings

log = structlog.get_logger(__name__)


class QuietWebSocketProtocol(WebSocketProtocol):  # type: ignore[misc]
    """That a client left while it was written to is no error; the application hears of it in a moment."""

    def serverSend(self, content: str | bytes, binary: bool = False) -> None:
        with suppress(Disconnected):
            super().serverSend(content, binary)


class BoundedWebSocketFactory(WebSocketFactory):  # type: ignore[misc]
    """Daphne has no option for it, and without one a frame may have any size.

    This is for any client, before and beside what the sockets' own code says of a frame: more is not even kept.
    """

    protocol = QuietWebSocketProtocol

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        limit = 4 * settings.DATA_UPLOAD_MAX_MEMORY_SIZE  # in bytes; a character has up to 4
        self.setProtocolOptions(maxFramePayloadSize=limit, maxMessagePayloadSize=limit)


def log_action(protocol: str, action: str, details: dict[str, Any]) -> None:
    """Daphne's access log. Of requests Django tells more, so theirs are for the curious; of sockets these tell."""
    known = {key: details[key] for key in ("method", "path", "status", "size", "client") if key in details}
    tell = log.info if protocol == "websocket" and action != "connecting" else log.debug
    tell(f"{protocol} {action}", **known)


def main() -> int:
    from openhands_site.asgi import application  # sets Django up, and with it the log
    from openhands_site.db import WEB_PATIENCE_SECONDS, hold_open, wait_at_most

    wait_at_most(WEB_PATIENCE_SECONDS)
    hold_open()

    daphne.server.WebSocketFactory = BoundedWebSocketFactory
    server = Server(
        application=application,
        endpoints=build_endpoint_description_strings(host=settings.HOST, port=settings.PORT),
        action_logger=log_action,
        server_name="web",
        application_close_timeout=3,
    )
    server.run()
    return 1 if server.abort_start else 0


if __name__ == "__main__":
    sys.exit(main())
