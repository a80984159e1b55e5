"""Sandboxes for operators: what there is, on what it runs, and removing it. Keys are never shown."""

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest

from openhands_site.admin import ChoiceFilter, ReadOnly, RecordAdmin
from openhands_site.workers.admin import WorkFilter
from sandboxes import services
from sandboxes.models import Runtime, Sandbox


class UseFilter(ChoiceFilter):
    title = "use"
    parameter_name = "use"
    meanings = {"without a conversation": Q(conversations=None)}


class RuntimeInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    model = Runtime
    fields = readonly_fields = ("backend", "isolation", "url", "boot_id", "started_at", "ended_at")
    ordering = ("-started_at",)


@admin.register(Sandbox)
class SandboxAdmin(RecordAdmin):
    list_display = ("id", "owner", "state", "wanted", "image", "isolation", "created_at", "updated_at")
    list_filter = ("state", "wanted", WorkFilter, UseFilter)
    list_select_related = ("owner",)
    search_fields = ("id", "owner__email", "error")
    ordering = ("-created_at",)
    inlines = (RuntimeInline,)
    actions = ("remove_selected_sandboxes",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Sandbox]:
        return super().get_queryset(request).prefetch_related("runtimes")

    @admin.display(description="isolation")
    def isolation(self, sandbox: Sandbox) -> str:
        """Of the life that goes on."""
        return next((runtime.isolation for runtime in sandbox.runtimes.all() if runtime.ended_at is None), "")

    def has_remove_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("sandboxes.delete_sandbox")

    @admin.action(description="Remove selected sandboxes, with their files", permissions=["remove"])
    def remove_selected_sandboxes(self, request: HttpRequest, sandboxes: QuerySet[Sandbox]) -> None:
        for sandbox in sandboxes:
            services.request_removal(sandbox_id=sandbox.pk)
        self.message_user(request, f"{len(sandboxes)} sandboxes are being removed.", messages.SUCCESS)


@admin.register(Runtime)
class RuntimeAdmin(RecordAdmin):
    list_display = ("id", "sandbox", "backend", "isolation", "url", "started_at", "ended_at")
    list_filter = ("backend", "isolation")
    list_select_related = ("sandbox",)
    search_fields = ("id", "sandbox__id", "sandbox__owner__email", "boot_id")
    ordering = ("-started_at",)
    fields = readonly_fields = (
        *("id", "sandbox", "backend", "isolation", "url", "boot_id", "handle"),
        *("started_at", "ended_at"),
    )
