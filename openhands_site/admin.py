"""What the admin pages of records share: rows that services and workers write, and that operators read."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

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


class ReadOnly:
    """Nobody makes, changes or deletes these rows by hand. For an admin or an inline, named before it."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class RecordAdmin(ReadOnly, ModelAdmin):
    """Records that are read and searched, however many there are."""

    paginator = CappedPaginator
    show_full_result_count = False
    list_per_page = 50


class ChoiceFilter(admin.SimpleListFilter):
    """A filter whose choices are a name, and the rows that it means."""

    meanings: dict[str, Q]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in self.meanings]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        name = self.value()
        return queryset.filter(self.meanings[name]) if name in self.meanings else queryset
