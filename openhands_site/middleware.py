"""What no view can do for itself."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from openhands_site.api import error_response


def json_errors(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
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
