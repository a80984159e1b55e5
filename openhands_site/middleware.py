"""What no view can do for itself."""

from collections.abc import Callable

import structlog
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django_structlog.middlewares import RequestMiddleware

from openhands_site import health, outage_pages
from openhands_site.api import error_response

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def json_errors(get_response: GetResponse) -> GetResponse:
    """Under /api/ no error is a page: those that Django makes before, around or instead of a view are JSON too."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        is_page = response.status_code >= 400 and "json" not in response.get("Content-Type", "")
        if not is_page or not request.path.startswith("/api/"):
            return response
        error: HttpResponse = error_response(response.status_code)
        if "Allow" in response:
            error["Allow"] = response["Allow"]
        return error

    return middleware


def probes(get_response: GetResponse) -> GetResponse:
    """Answers `/alive` and `/ready` before anything asks who it is for: that would need the database to be there."""
    answers: dict[str, GetResponse] = {"/alive": health.alive, "/ready": health.ready}

    def middleware(request: HttpRequest) -> HttpResponseBase:
        return answers.get(request.path, get_response)(request)

    return middleware


class RequestLogMiddleware(RequestMiddleware):
    """One line a request, and in it and in all that is said on the way whose conversation it is about."""

    def process_view(
        self, request: HttpRequest, view: object, args: tuple[object, ...], kwargs: dict[str, object]
    ) -> None:
        if "conversation_id" in kwargs:
            structlog.contextvars.bind_contextvars(conversation_id=str(kwargs["conversation_id"]))


class OutageMiddleware:
    """Answers calmly while the database is away or the disk is full.

    Who asks is found out here, where a failure can be answered: what comes after it looks at the user too, and an
    error there would cost a second wait and a page that blames us.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            request.user.pk  # noqa: B018 - the session and the user are read when they are first looked at
        except DatabaseError as error:
            if answer := outage_pages.answer(request, error):
                return answer
            raise
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return outage_pages.answer(request, error)
