"""The pages: the list of conversations, a new one, and the live page of one."""

import json
from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from accounts.models import User
from conversations import listing, services, wire
from conversations.errors import ConflictError, InvalidInputError, NotVisibleError, RefusedError
from conversations.forms import NewConversationForm, RenameForm
from conversations.llm import registry, usage
from conversations.models import Conversation, Event
from conversations.rendering.events import SANDBOX_LABELS, STATE_LABELS, render_timeline
from sandboxes import services as sandboxes

EVENTS_A_PAGE = 200


@never_cache
@login_required
@require_safe
def conversation_list(request: HttpRequest) -> HttpResponse:
    form = NewConversationForm(initial={"key": uuid4(), "text": request.GET.get("text", "")})
    return _list_page(request, form)


@login_required
@require_POST
def create(request: HttpRequest) -> HttpResponse:
    form = NewConversationForm(request.POST)
    if form.is_valid():
        try:
            return redirect("conversations:detail", _start(_user(request), form.cleaned_data).pk)
        except RefusedError as error:
            form.refuse(error.message, error.field)
    return _list_page(request, form, status=422)


def _start(owner: User, given: dict[str, Any]) -> Conversation:
    """The form's key makes a form that is sent twice one conversation; sent with another text it is a new one."""
    wanted = {name: given[name] for name in ("text", "model", "image", "max_steps", "max_budget")}
    try:
        return services.start_conversation(
            owner=owner, idempotency_key=str(given["key"] or uuid4()), **wanted
        )
    except ConflictError:
        return services.start_conversation(owner=owner, **wanted)


def _list_page(request: HttpRequest, form: NewConversationForm, status: int = 200) -> HttpResponse:
    user = _user(request)
    try:
        page = listing.page_of(Conversation.objects.visible_to(user), before=request.GET.get("before", ""))
    except InvalidInputError:
        raise Http404 from None
    model = registry.default_name(user)
    context = {
        "form": form,
        "page": page,
        "model": model,
        "is_stand_in": registry.is_stand_in(model),
        "max_steps": settings.MAX_STEPS,
        "max_budget": settings.MAX_BUDGET,
        "images": sandboxes.nameable_images(),
    }
    return render(request, "conversations/list.html", context, status=status)


@never_cache
@login_required
@require_safe
def detail(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    conversation = _visible(request, conversation_id)
    # Read before the events: what comes after is told by the socket, which begins where the events end.
    status = wire.status_of(conversation.pk)
    if status is None:
        raise Http404
    events, has_older = _newest(conversation.events.all())
    context = {
        "conversation": conversation,
        "status": status,
        "label": STATE_LABELS[status.agent_state],
        "sandbox_label": SANDBOX_LABELS[status.sandbox_state or "none"],
        "spend": usage.spend(conversation.pk),
        "labels": json.dumps(STATE_LABELS),
        "sandbox_labels": json.dumps(SANDBOX_LABELS),
        "after": events[-1].sequence if events else 0,
        **_timeline(events, has_older),
    }
    return render(request, "conversations/detail.html", context)


@never_cache
@login_required
@require_safe
def older(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    """The events before `?before=`, as a fragment that the timeline puts above what it has."""
    conversation = _visible(request, conversation_id)
    before = request.GET.get("before", "")
    if not (before.isascii() and before.isdigit() and len(before) < 16):
        raise Http404
    events, has_older = _newest(conversation.events.filter(sequence__lt=int(before)))
    context = {"conversation": conversation, **_timeline(events, has_older)}
    return render(request, "conversations/events.html", context)


@login_required
@require_POST
def rename(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    conversation = _visible(request, conversation_id)
    form = RenameForm(request.POST)
    if form.is_valid():
        try:
            services.rename_conversation(
                conversation_id=conversation_id, by=_user(request), title=form.cleaned_data["title"]
            )
        except NotVisibleError:
            raise Http404 from None
        except RefusedError as error:
            form.add_error("title", error.message)
    if not getattr(request, "htmx", False):
        return redirect("conversations:detail", conversation_id)
    conversation.refresh_from_db()
    context = {"conversation": conversation, "form": form if form.errors else None}
    return render(request, "conversations/title.html", context)


@login_required
@require_POST
def delete(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    try:
        services.delete_conversation(conversation_id=conversation_id, by=_user(request))
    except NotVisibleError:
        raise Http404 from None
    return HttpResponseRedirect("/")


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


def _visible(request: HttpRequest, conversation_id: UUID) -> Conversation:
    return get_object_or_404(Conversation.objects.visible_to(_user(request)), pk=conversation_id)


def _newest(events: "QuerySet[Event]") -> tuple[list[Event], bool]:
    """The last page of events in order, and whether there are others before it."""
    found = list(events.order_by("-sequence")[: EVENTS_A_PAGE + 1])
    return found[:EVENTS_A_PAGE][::-1], len(found) > EVENTS_A_PAGE


def _timeline(events: Sequence[Event], has_older: bool) -> dict[str, Any]:
    return {
        "events": render_timeline(events),
        "before": events[0].sequence if has_older else None,
    }
