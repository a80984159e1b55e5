"""The admin's page about the work at hand."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import structlog
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from accounts.models import User
from openhands_site.work import facts, mending

VIEW = ("workers.view_worker", "conversations.view_conversation", "sandboxes.view_sandbox")
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Order:
    """What a button asks for, of the row with the id, and the right that it takes."""

    permission: str
    carry_out: Callable[[UUID, User], str]


ORDERS = {
    "free": Order("workers.change_worker", lambda pk, by: mending.free_leases(worker_id=pk)),
    "hint-conversation": Order(
        "conversations.change_conversation", lambda pk, by: mending.hint_conversation(conversation_id=pk)
    ),
    "hint-sandbox": Order("sandboxes.change_sandbox", lambda pk, by: mending.hint_sandbox(sandbox_id=pk)),
    "stop": Order(
        "conversations.change_conversation",
        lambda pk, by: mending.stop_conversation(conversation_id=pk, operator=by),
    ),
    "remove": Order("sandboxes.delete_sandbox", lambda pk, by: mending.remove_sandbox(sandbox_id=pk)),
    "end": Order("sandboxes.delete_sandbox", lambda pk, by: mending.end_stray(sandbox_id=pk)),
    "note-loss": Order("sandboxes.change_sandbox", lambda pk, by: mending.record_loss(sandbox_id=pk)),
}


@require_http_methods(["GET", "HEAD", "POST"])
def work(request: HttpRequest) -> HttpResponse:
    """For operators who may see workers, conversations and sandboxes; each order takes a right of its own."""
    operator = cast(User, request.user)
    if not operator.has_perms(VIEW):
        raise PermissionDenied
    if request.method == "POST":
        return _carry_out(request, operator)
    context = {
        **admin.site.each_context(request),
        "title": "Work at hand",
        "work": facts.gather(),
        "late_seconds": int(facts.LATE_AFTER.total_seconds()),
        "dead_after": settings.WORKER_DEAD_AFTER,
        "allowed": [name for name, order in ORDERS.items() if operator.has_perm(order.permission)],
    }
    return TemplateResponse(request, "admin/work/page.html", context)


def _carry_out(request: HttpRequest, operator: User) -> HttpResponse:
    try:
        name, pk = request.POST["order"], UUID(request.POST["id"])
        order = ORDERS[name]
    except (LookupError, ValueError):
        return HttpResponseBadRequest("There is no such order.")
    if not operator.has_perm(order.permission):
        raise PermissionDenied
    try:
        messages.success(request, order.carry_out(pk, operator))
    except mending.NotApplicable as reason:
        messages.warning(request, str(reason))
    else:
        log.info("an operator mended the work at hand", order=name, id=str(pk), user_id=str(operator.pk))
    return redirect("work")
