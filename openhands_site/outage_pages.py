"""An outage, told to whoever asked: a page, a sentence for htmx, or JSON. Neither session nor database is touched."""

import sys

import structlog
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views import defaults

from openhands_site import outages
from openhands_site.api import error_response
from openhands_site.outages import Outage

REFRESH_SECONDS = 10
log = structlog.get_logger(__name__)


def answer(request: HttpRequest, error: BaseException) -> HttpResponse | None:
    """None where the error is no outage."""
    outage = outages.of(error)
    if outage is None:
        return None
    log.warning("a request was not served", path=request.path, outage=outage.code, error=str(error).strip())
    response = _response(request, outage)
    response["Retry-After"] = str(outage.retry_after)
    response["Cache-Control"] = "no-store"
    return response


def _response(request: HttpRequest, outage: Outage) -> HttpResponse:
    if request.path.startswith("/api/"):
        return error_response(outage.status, outage.advice, code=outage.code, retryable=True)
    if request.headers.get("HX-Request"):
        # The page keeps what it shows and what was typed; static/js/request-problem.js puts this beside it.
        return HttpResponse(outage.advice, status=outage.status, content_type="text/plain; charset=utf-8")
    context = {
        "outage": outage,
        "path": request.get_full_path(),
        "was_sent": request.method == "POST",
        "refresh": REFRESH_SECONDS,
    }
    # Without the request: the context processors that come with it ask for the user.
    return HttpResponse(render_to_string("outage.html", context), status=outage.status)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500: what happened outside of the views, such as storing the session after them."""
    error = sys.exc_info()[1]
    return (error and answer(request, error)) or defaults.server_error(request)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400: it takes a session that could not be stored for one that somebody else deleted."""
    return answer(request, exception) or defaults.bad_request(request, exception)
