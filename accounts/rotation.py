"""Re-encrypting what is stored under the newest key, so that an older one can be thrown away."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import models, transaction

from accounts.encryption import UndecryptableError, is_under_newest_key, rotate
from accounts.fields import Ciphertext, EncryptedTextField

BATCH = 500


@dataclass
class Column:
    """One encrypted column and what became of its rows."""

    model: type[models.Model]
    name: str
    rotated: int = 0
    current: int = 0
    undecryptable: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.model._meta.label}.{self.name}"


def encrypted_columns() -> Iterator[Column]:
    for model in apps.get_models():
        for column in model._meta.local_fields:
            if isinstance(column, EncryptedTextField):
                yield Column(model, column.name)


def rotate_column(column: Column, batch: int = BATCH) -> None:
    """Brings every row under the newest key, a transaction a batch.

    Broken off, it is simply run again: what is done is known by its ciphertext and passed over. A secret that
    somebody replaces at the same moment is left as they wrote it.
    """
    rows = column.model._base_manager.exclude(**{column.name: ""}).exclude(**{column.name: None})
    rows = rows.order_by("pk")
    last: Any = None
    while True:
        page = rows if last is None else rows.filter(pk__gt=last)
        found = list(page.values_list("pk", column.name)[:batch])
        if not found:
            return
        with transaction.atomic():
            for pk, token in found:
                _rotate_row(column, pk, token)
        last = found[-1][0]


def _rotate_row(column: Column, pk: Any, token: Ciphertext) -> None:
    if is_under_newest_key(token):
        column.current += 1
        return
    try:
        fresh = Ciphertext(rotate(token))
    except UndecryptableError:
        column.undecryptable.append(str(pk))
        return
    unchanged = column.model._base_manager.filter(**{"pk": pk, column.name: token})
    column.rotated += unchanged.update(**{column.name: fresh})
