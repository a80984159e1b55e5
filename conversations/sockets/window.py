"""How much a socket may be ahead of what its client has seen. Pure: no socket, no clock.

The server's `send` has no back-pressure, so what a client does not read is kept in our memory. The client says what
it has seen, and past these limits nothing more is read for it.
"""

from collections import deque

from conversations.sockets.pages import Frame

UNSEEN_EVENTS = 1_000
UNSEEN_BYTES = 4 * 1024 * 1024
UNSEEN_EXTRAS = 256 * 1024
GRACE_SECONDS = 60.0


class Window:
    """Times are seconds of any clock that only grows."""

    def __init__(self) -> None:
        self._sent: deque[Frame] = deque()
        self._events = 0
        self._bytes = 0
        self._extras = 0
        self._full_since: float | None = None

    def admits(self, frame: Frame, now: float) -> bool:
        """Whether the frame may be sent now; refused, the window counts as full from now on."""
        fits = self._events + frame.events <= UNSEEN_EVENTS and self._bytes + frame.size <= UNSEEN_BYTES
        if fits or not self._sent:
            return True
        if self._full_since is None:
            self._full_since = now
        return False

    def sent(self, frame: Frame) -> None:
        # Only the measures are kept; the text is shared and would stay alive with us.
        self._sent.append(Frame(frame.last, frame.events, frame.size, ""))
        self._events += frame.events
        self._bytes += frame.size

    def admits_extra(self, size: int) -> bool:
        """Whether `size` bytes that may be dropped (a delta) can still be sent; if so they count as sent."""
        if self._extras + size > UNSEEN_EXTRAS:
            return False
        self._extras += size
        return True

    def seen(self, sequence: int) -> None:
        """The client has processed all events up to `sequence`."""
        self._extras = 0
        while self._sent and self._sent[0].last <= sequence:
            frame = self._sent.popleft()
            self._events -= frame.events
            self._bytes -= frame.size
            self._full_since = None

    @property
    def is_full(self) -> bool:
        return self._full_since is not None

    def patience(self, now: float) -> float | None:
        """Seconds until a full window closes the socket, 0 when that is due; None while it is open."""
        return None if self._full_since is None else max(0.0, self._full_since + GRACE_SECONDS - now)
