"""Conversations, their log, blobs and model calls for operators: read, searched and stopped, never edited."""

import json
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import Model, Q, QuerySet, UUIDField
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.models import User
from conversations import services
from conversations.models import Blob, Conversation, Event, FileRemoval, LLMCall
from openhands_site.admin import RecordAdmin
from openhands_site.workers.admin import WorkFilter


def _link_to_rows(model: type[Model], label: str, **query: object) -> SafeString:
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return format_html('<a href="{}?{}">{}</a>', address, urlencode(query), label)


class _FoundById(RecordAdmin):
    """A search for an id is answered by index; any other as `search_fields` say."""

    def named_by(self, pk: UUID) -> Q:
        """The rows that a search for the id `pk` finds: its own, by itself."""
        return Q(pk=pk)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        try:
            named = self.named_by(UUID(search_term.strip()))
        except ValueError:
            return super().get_search_results(request, queryset, search_term)
        return queryset.filter(named), False


class _OfConversation(_FoundById):
    """Rows of a conversation, found by its id and by their own."""

    list_select_related = ("conversation",)

    def named_by(self, pk: UUID) -> Q:
        found = Q(conversation_id=pk)
        return found | super().named_by(pk) if isinstance(self.opts.pk, UUIDField) else found


@admin.register(Conversation)
class ConversationAdmin(_FoundById):
    list_display = ("title", "owner", "agent_state", "runs_in", "model", "due_since", "lease", "updated_at")
    list_filter = ("agent_state", WorkFilter)
    list_select_related = ("owner", "sandbox", "lease_worker")
    search_fields = ("title", "owner__email", "model")
    ordering = ("-updated_at", "-id")
    actions = ("stop_selected",)
    fields = readonly_fields = (
        *("id", "title", "owner", "agent_state", "sandbox", "model", "image", "max_steps", "max_budget"),
        *("rows", "last_sequence", "due_since", "lease_worker", "lease_fence", "lease_taken_at"),
        *("reserved_for", "idempotency_key", "created_at", "updated_at"),
    )
    view_on_site = False  # its page is its owner's alone

    def named_by(self, pk: UUID) -> Q:
        return Q(pk=pk) | Q(sandbox_id=pk) | Q(owner_id=pk)

    @admin.display(description="sandbox", empty_value="-")
    def runs_in(self, conversation: Conversation) -> SafeString | None:
        sandbox = conversation.sandbox
        if sandbox is None:
            return None
        address = reverse("admin:sandboxes_sandbox_change", args=[sandbox.pk])
        return format_html('<a href="{}">{}</a>', address, sandbox.get_state_display())

    @admin.display(description="lease")
    def lease(self, conversation: Conversation) -> str:
        worker = conversation.lease_worker
        return f"{worker} #{conversation.lease_fence}" if worker else f"none #{conversation.lease_fence}"

    @admin.display(description="records")
    def rows(self, conversation: Conversation) -> SafeString:
        kinds = ((Event, "events"), (LLMCall, "model calls"), (Blob, "blobs"))
        links = [_link_to_rows(model, label, q=conversation.pk) for model, label in kinds]
        return format_html("{} · {} · {}", *links)

    def has_stop_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("conversations.change_conversation")

    @admin.action(description="Stop selected conversations", permissions=["stop"])
    def stop_selected(self, request: HttpRequest, queryset: QuerySet[Conversation]) -> None:
        pks = list(queryset.values_list("pk", flat=True))
        for pk in pks:
            services.stop_as_operator(conversation_id=pk, operator=cast(User, request.user))
        self.message_user(request, f"{len(pks)} told to stop.", messages.SUCCESS)


@admin.register(Event)
class EventAdmin(_OfConversation):
    list_display = ("sequence", "kind", "source", "conversation", "created_at")
    list_filter = ("kind", "source")
    search_fields = ("payload",)
    ordering = ("-conversation", "-sequence")
    fields = ("id", "conversation", "sequence", "kind", "source", "created_at", "contents")
    readonly_fields = ("contents",)

    @admin.display(description="payload")
    def contents(self, event: Event) -> SafeString:
        return format_html("<pre>{}</pre>", json.dumps(event.payload, indent=2, ensure_ascii=False))


@admin.register(Blob)
class BlobAdmin(_OfConversation):
    list_display = ("sha256", "media_type", "size", "conversation", "created_at")
    list_filter = ("media_type",)
    search_fields = ("sha256",)
    ordering = ("-id",)


@admin.register(FileRemoval)
class FileRemovalAdmin(_FoundById):
    """One that stays for more than a minute is told of in the worker's log."""

    list_display = ("conversation_id", "created_at")
    search_fields = ("conversation_id",)
    ordering = ("-created_at",)


@admin.register(LLMCall)
class LLMCallAdmin(_OfConversation):
    list_display = (
        "model",
        "status",
        "conversation",
        "prompt_tokens",
        "completion_tokens",
        "cost",
        "latency_ms",
        "created_at",
    )
    list_filter = ("status",)
    search_fields = ("model", "route", "error")
    ordering = ("-created_at", "-id")
