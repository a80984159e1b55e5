"""What must be true before anything starts; a failing check stops `migrate` and with it `up`, with its sentence."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.db import DatabaseError, connections

from openhands_site.workers.models import Installation


def belongs_to_another() -> str:
    """The id of the installation that the database belongs to, if that is not ours; else an empty text."""
    connection = connections["default"]
    if Installation._meta.db_table not in connection.introspection.table_names():
        return ""
    found = Installation.objects.filter(pk=Installation.THE_ROW).values_list("name", flat=True).first()
    return found if found and found != settings.INSTALLATION_ID else ""


def claim_database() -> None:
    """Writes our id into a database that has none yet."""
    Installation.objects.get_or_create(pk=Installation.THE_ROW, defaults={"name": settings.INSTALLATION_ID})


@checks.register(checks.Tags.database)
def check_installation(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[checks.CheckMessage]:
    if not databases or "default" not in databases:
        return []
    try:
        other = belongs_to_another()
    except DatabaseError:
        return []  # whoever asked for the check is about to hear of that itself
    if not other:
        return []
    return [
        checks.Critical(
            f"This database belongs to the installation {other}, and this is {settings.INSTALLATION_ID}.",
            hint=f"Set OPENHANDS_HOME to that installation's data folder, or OPENHANDS_INSTALLATION_ID={other}, "
            "or DATABASE_URL to a database of its own.",
            id="openhands_site.C001",
        )
    ]
