"""What a socket is sent of a log: pages of frames, made from the lines of `wire`, and at its end how things stand."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from uuid import UUID

from conversations import wire
from conversations.llm import usage
from conversations.wire import Line, Status

FRAME_CHARACTERS = 1_000_000


@dataclass(frozen=True)
class Frame:
    """Events that follow one another, as the text of one socket message. `size` is its length in bytes."""

    last: int
    events: int
    size: int
    text: str


@dataclass(frozen=True)
class Page:
    """What one read found: frames after a cursor and, with the end of the log reached, status and usage.

    `status` is None where more follows, `usage` empty where more follows or the reader knows it already; `gone` says that
    there is no such conversation any more.
    """

    frames: tuple[Frame, ...]
    status: Status | None = None
    usage: str = ""
    gone: bool = False


def read_page(conversation_id: UUID, after: int, *, html: bool, knows_usage: bool) -> Page:
    """One read for a socket whose cursor is `after`; `knows_usage` says that it was told the usage as it was there."""
    status, lines = wire.status_and_lines(conversation_id, after, html=html)
    page = page_of(status, lines)
    # An observation costs nothing, and the sum grows with the calls: 0.3 ms at 1,000.
    costs_nothing = bool(lines) and all(line.kind == "observation" for line in lines)
    if page.status is None or (knows_usage and costs_nothing):
        return page
    return replace(page, usage=usage_frame(conversation_id))


def page_of(status: Status | None, lines: list[Line]) -> Page:
    """The frames hold what the status counts, no more and no less; what came after it is left to the next read. Pure."""
    if status is None:
        return Page((), gone=True)
    if len(lines) == wire.EVENTS_A_READ:
        return Page(tuple(frames(lines)))
    return Page(tuple(frames(line for line in lines if line.sequence <= status.last_sequence)), status)


def frames(lines: Iterable[Line]) -> Iterator[Frame]:
    """The lines in frames of about FRAME_CHARACTERS."""
    held: list[Line] = []
    length = 0
    for line in lines:
        if held and length + len(line.json) > FRAME_CHARACTERS:
            yield _frame(held)
            held, length = [], 0
        held.append(line)
        length += len(line.json)
    if held:
        yield _frame(held)


def _frame(lines: list[Line]) -> Frame:
    text = f'{{"type":"events","events":[{",".join(line.json for line in lines)}]}}'
    return Frame(lines[-1].sequence, len(lines), len(text.encode(errors="surrogatepass")), text)


def usage_frame(conversation_id: UUID) -> str:
    """What the conversation has spent; `cost` is null where nothing of it is known."""
    spent = usage.spend(conversation_id)
    frame = {
        "type": "usage",
        "cost": None if spent.cost is None else float(spent.cost),
        "unpriced_calls": spent.unpriced_calls,
        "prompt_tokens": spent.prompt_tokens,
        "completion_tokens": spent.completion_tokens,
        "calls": spent.calls,
    }
    return json.dumps(frame)
