"""How a sandbox's fate is told to whoever uses it, without importing upwards."""

from typing import Protocol, cast
from uuid import UUID

from django.conf import settings
from django.utils.module_loading import import_string


class Observer(Protocol):
    """Every method is called inside the transaction that changes the Sandbox row, so both commit or neither."""

    def phase_reached(self, sandbox_id: UUID, phase: str, milliseconds: int, detail: str) -> None:
        """A phase of the start began, `milliseconds` after the start was asked for."""

    def ready(self, sandbox_id: UUID, boot_id: str, milliseconds: int) -> None:
        """The sandbox runs and answers; actions may be sent to the life `boot_id`."""

    def failed(self, sandbox_id: UUID, phase: str, milliseconds: int, message: str) -> None:
        """The start ended in this phase; `message` says why, for a person."""

    def lost(self, sandbox_id: UUID, message: str) -> None:
        """A sandbox that ran is gone; its folder may be there. Nothing starts it until someone asks."""

    def removed(self, sandbox_id: UUID) -> None:
        """The sandbox's row is about to go, and with it what is said of it elsewhere: whoever says it is to be locked
        first."""


def observer() -> Observer:
    return cast(Observer, import_string(settings.SANDBOX_OBSERVER)())
