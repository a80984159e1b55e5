"""The states of a sandbox and the legal ways from one to another."""

from django.db import models


class SandboxState(models.TextChoices):
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    ERROR = "error"
    MISSING = "missing"


class Wanted(models.TextChoices):
    """What should be; a worker brings the sandbox there."""

    RUNNING = "running"
    REMOVED = "removed"


TRANSITIONS: dict[SandboxState, frozenset[SandboxState]] = {
    SandboxState.STARTING: frozenset({SandboxState.RUNNING, SandboxState.ERROR, SandboxState.MISSING}),
    SandboxState.RUNNING: frozenset(
        {SandboxState.PAUSED, SandboxState.ERROR, SandboxState.MISSING, SandboxState.STARTING}
    ),
    SandboxState.PAUSED: frozenset(
        {SandboxState.STARTING, SandboxState.RUNNING, SandboxState.ERROR, SandboxState.MISSING}
    ),
    SandboxState.ERROR: frozenset({SandboxState.STARTING, SandboxState.MISSING}),
    SandboxState.MISSING: frozenset({SandboxState.STARTING, SandboxState.ERROR}),
}


class IllegalTransitionError(Exception):
    """Two states that no legal step joins: a defect of the caller's."""


def check_transition(old: str, new: str) -> None:
    if SandboxState(new) not in TRANSITIONS[SandboxState(old)]:
        raise IllegalTransitionError(f"a sandbox cannot go from {old} to {new}")
