"""Worker processes for operators: which there are, which of them live, and what they hold."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import BooleanField, Count, ExpressionWrapper, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join

from openhands_site.admin import ChoiceFilter, RecordAdmin
from openhands_site.workers.freeing import counted, dead_workers, free_leases, leased_models
from openhands_site.workers.models import Installation, Leased, Worker, is_live


def _by_the_living(field: str) -> Q:
    return Q(**{f"{field}__in": Worker.objects.live().values("pk")})


class WorkFilter(ChoiceFilter):
    """Of rows that workers hold: what is due, who is at it."""

    title = "work"
    parameter_name = "work"
    meanings = {
        "due": Q(due_since__isnull=False),
        "due, and nobody is at it": Q(due_since__isnull=False)
        & (Q(lease_worker=None) | ~_by_the_living("lease_worker")),
        "held": _by_the_living("lease_worker"),
        "held by a dead worker": Q(lease_worker__isnull=False) & ~_by_the_living("lease_worker"),
        "reserved": _by_the_living("reserved_for"),
    }


class LifeFilter(ChoiceFilter):
    title = "life"
    parameter_name = "life"
    meanings = {"lives": _by_the_living("pk"), "dead": ~_by_the_living("pk")}


@admin.register(Worker)
class WorkerAdmin(RecordAdmin):
    list_display = ("__str__", "is_live", "holds", "last_seen", "started_at")
    list_filter = (LifeFilter,)
    search_fields = ("id", "name", "host")
    ordering = ("-last_seen",)
    readonly_fields = ("holds",)
    actions = ("free_selected",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        live = ExpressionWrapper(is_live(), BooleanField())
        counts = {_held(model): _count_of(model) for model in leased_models()}
        rows: QuerySet[Any] = super().get_queryset(request).annotate(live=live, **counts)
        return rows

    @admin.display(description="live", boolean=True)
    def is_live(self, worker: Any) -> bool:
        return bool(worker.live)

    @admin.display(description="holds")
    def holds(self, worker: Any) -> str:
        counts = [(model, getattr(worker, _held(model))) for model in leased_models()]
        links = [(_rows_of(model, worker), counted({model: count})) for model, count in counts if count]
        return format_html_join(" and ", '<a href="{}">{}</a>', links) or "nothing"

    def has_free_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("workers.change_worker")

    @admin.action(description="Free what the selected dead workers hold", permissions=["free"])
    def free_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        dead = set(dead_workers().values_list("pk", flat=True))
        for worker in queryset:
            if worker.pk in dead:
                freed = counted(free_leases(worker.pk))
                self.message_user(request, f"Freed {freed} that {worker} held.", messages.SUCCESS)
            else:
                refusal = f"{worker} lives, or may live: what it holds is its own."
                self.message_user(request, refusal, messages.WARNING)


@admin.register(Installation)
class InstallationAdmin(RecordAdmin):
    list_display = ("name", "made_at")
    search_fields = ("name",)
    fields = readonly_fields = ("name", "made_at")


def _held(model: type[Leased]) -> str:
    return f"held_{model._meta.model_name}"


def _count_of(model: type[Leased]) -> Coalesce:
    held = model._default_manager.filter(lease_worker=OuterRef("pk")).order_by().values("lease_worker")
    return Coalesce(Subquery(held.annotate(count=Count("pk")).values("count")), 0)


def _rows_of(model: type[Leased], worker: Worker) -> str:
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{address}?lease_worker={worker.pk}"
