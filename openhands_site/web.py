"""Daphne with our settings and our log: `python -m openhands_site.web`."""

import sys
from typing import Any

import daphne.server
import structlog
from daphne.endpoints import build_endpoint_description_strings
from daphne.server import Server
from daphne.ws_protocol import WebSocketFactory

# Of any client, before and beside what the sockets' own code says of a frame: more is not even kept.
FRAME_BYTES = 4 * 6_100_000
log = structlog.get_logger(__name__)


class BoundedWebSocketFactory(WebSocketFactory):  # type: ignore[misc]
    """Daphne has no option for it, and without one a frame may have any size."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.setProtocolOptions(maxFramePayloadSize=FRAME_BYTES, maxMessagePayloadSize=FRAME_BYTES)


def log_action(protocol: str, action: str, details: dict[str, Any]) -> None:
    """Daphne's access log. Of requests Django tells more, so theirs are for the curious; of sockets these tell."""
    known = {key: details[key] for key in ("method", "path", "status", "size", "client") if key in details}
    tell = log.info if protocol == "websocket" and action != "connecting" else log.debug
    tell(f"{protocol} {action}", **known)


def main() -> int:
    from django.conf import settings

    from openhands_site.asgi import application  # sets Django up, and with it the log

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
