"""Worker processes for operators, and what all admin pages of records share."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

from openhands_site.workers.models import Worker

COUNTED_ROWS = 10_000

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = admin.ModelAdmin


class CappedPaginator(Paginator):  # type: ignore[type-arg]
    """Pages through the first COUNTED_ROWS rows and counts no further: a log has millions, a search finds the rest."""

    @cached_property
    def count(self) -> int:
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows.order_by()[:COUNTED_ROWS].count()


class RecordAdmin(ModelAdmin):
    """Rows that services and workers write: here they are read and searched, and never changed."""

    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Worker)
class WorkerAdmin(RecordAdmin):
    list_display = ("name", "host", "pid", "started_at", "last_seen", "is_live")
    search_fields = ("id", "name", "host")
    ordering = ("-last_seen",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        live = Exists(Worker.objects.live().filter(pk=OuterRef("pk")))
        rows: QuerySet[Any] = super().get_queryset(request).annotate(live=live)
        return rows

    @admin.display(description="live", boolean=True)
    def is_live(self, worker: Any) -> bool:
        return bool(worker.live)
