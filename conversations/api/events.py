"""`/api/conversations/{id}/events`: the log, page by page."""

from collections.abc import Iterator
from itertools import islice
from typing import Annotated
from uuid import UUID

from django.http import HttpResponse
from ninja import Query, Router

from conversations.api.requests import ERRORS, ApiRequest, find
from conversations.api.schemas import EventPage
from conversations.wire import Line, lines_after

router = Router(tags=["events"])
PAGE_CHARACTERS = 8_000_000


@router.get("/{uuid:conversation_id}/events", response={200: EventPage, **ERRORS})
def list_events(
    request: ApiRequest,
    conversation_id: UUID,
    after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> HttpResponse:
    """Events after sequence `after`, in order. A page of very long events can hold fewer than `limit`."""
    conversation = find(request, conversation_id)
    page = list(_fitting(islice(_lines(conversation.pk, after), limit)))
    more = bool(page) and conversation.last_sequence > page[-1].sequence
    items = ",".join(line.json for line in page)
    return HttpResponse(
        f'{{"items":[{items}],"next":{page[-1].sequence if more else "null"}}}',
        content_type="application/json",
    )


def _lines(conversation_id: UUID, after: int) -> Iterator[Line]:
    """All of them, read in portions."""
    while portion := lines_after(conversation_id, after):
        yield from portion
        after = portion[-1].sequence


def _fitting(lines: Iterator[Line]) -> Iterator[Line]:
    """As many as one response should hold, and at least one."""
    length = 0
    for line in lines:
        yield line
        length += len(line.json)
        if length >= PAGE_CHARACTERS:
            return
