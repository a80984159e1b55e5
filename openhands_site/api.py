"""The REST API: who may call it, and that every error has one form.

`{"error": {"code", "message", "field"?, "retryable"?}}`, whatever went wrong: `code` is for programs, `message` for
people; `retryable` says that the same request can succeed in a moment.
"""

from http import HTTPStatus
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.security import APIKeyCookie, HttpBearer
from ninja.utils import check_csrf

from accounts.models import User
from accounts.services import authenticate_api_key
from conversations.api import blobs, conversations, events, orders
from conversations.errors import RefusedError

CODES = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    422: "invalid",
    429: "too_many_requests",
    500: "server_error",
}
SENTENCES = {
    401: "Sign in, or send an API key as `Authorization: Bearer …`.",
    404: "There is nothing at this address.",
    405: "This address does not take this method.",
    500: "Something went wrong on the server; its log says what.",
}


class APIKeyAuth(HttpBearer):
    """An `Authorization: Bearer` header; a wrong key is refused even where a session would do."""

    def authenticate(self, request: HttpRequest, token: str) -> User:
        user = authenticate_api_key(token.strip())
        if user is None:
            raise HttpError(401, "This API key is unknown, expired or revoked.")
        request.user = user
        return user


class BrowserSession(APIKeyCookie):
    """The session of somebody signed in; what changes something needs the CSRF token in `X-CSRFToken`."""

    param_name = "session"

    def __call__(self, request: HttpRequest) -> User | None:
        if not isinstance(request.user, User):
            return None
        if check_csrf(request):
            raise HttpError(403, "The CSRF token is missing or wrong: send it as X-CSRFToken.")
        return request.user

    def authenticate(self, request: HttpRequest, key: str | None) -> User | None:
        return self(request)


api = NinjaAPI(
    title="OpenHands",
    version="1",
    description="Start agents, watch what they do and steer them. Every list is `{items, next}`; "
    "every error is `{error: {code, message, field?, retryable?}}`; an unknown field of a body is refused.",
    urls_namespace="api",
    docs_url="/docs",
    auth=[APIKeyAuth(), BrowserSession()],
)
for module in (conversations, events, orders, blobs):
    api.add_router("/conversations", module.router)


def error_response(
    status: int, message: str = "", *, code: str = "", field: str = "", retryable: bool = False
) -> HttpResponse:
    detail: dict[str, Any] = {
        "code": code or CODES.get(status, "error"),
        "message": message or SENTENCES.get(status) or f"{HTTPStatus(status).phrase}.",
    }
    if field:
        detail["field"] = field
    if retryable:
        detail["retryable"] = True
    response = JsonResponse({"error": detail}, status=status)
    if status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response


@api.exception_handler(RefusedError)
def refused(request: HttpRequest, error: RefusedError) -> HttpResponse:
    return error_response(error.status, error.message, code=error.code, field=error.field)


@api.exception_handler(ValidationError)
def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    first: dict[str, Any] = error.errors[0]
    # The place starts with where it was looked for (body, query …) and, in a body, our parameter's name.
    place = first["loc"][2:] if first["loc"][0] == "body" else first["loc"][1:]
    field = ".".join(str(part) for part in place)
    return error_response(422, f"{field}: {first['msg']}." if field else f"{first['msg']}.", field=field)


@api.exception_handler(HttpError)
def http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    is_default = error.message in {"Unauthorized", "Forbidden"}
    message = "The body is not JSON." if error.status_code == 400 else error.message
    return error_response(error.status_code, "" if is_default else message)


@api.exception_handler(RequestDataTooBig)
def too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return error_response(413, "The body is too large; put long material into a file and name it.")


@api.exception_handler(Http404)
def not_found(request: HttpRequest, error: Http404) -> HttpResponse:
    return error_response(404)
