"""What can go wrong with a sandbox. Each error says whose fault it is and whether trying again can help.

SandboxError
├── BackendSilent      what sandboxes run on does not answer
├── StartFailed        the start ended in a phase
│   └── StartRefused   this user may not have what could be started
├── Unreachable        no answer, or not from our action server
└── ActionRefused      an answer: the action does not run
    ├── BootChanged
    ├── FenceTooOld
    └── Discarded
"""

from typing import ClassVar, Literal


class SandboxError(Exception):
    """Its text is a sentence for a person."""

    fault: ClassVar[Literal["sandbox", "server", "user"]] = "sandbox"
    can_retry: ClassVar[bool] = False


class BackendSilent(SandboxError):
    """Nothing is known of what runs there: no life is judged by this."""

    fault = "server"
    can_retry = True


class StartFailed(SandboxError):
    """`phase` is where the start ended."""

    def __init__(self, phase: str, message: str) -> None:
        super().__init__(message)
        self.phase = phase


class StartRefused(StartFailed):
    fault = "user"


class Unreachable(SandboxError):
    """Whether a request arrived is not known: ask again, an action runs at most once.

    `silence`: for how many seconds it was listened to, and said nothing.
    """

    can_retry = True

    def __init__(self, message: str, silence: float = 0.0) -> None:
        super().__init__(message)
        self.silence = silence


class ActionRefused(SandboxError):
    """The action server answered that the action does not run now and never will."""


class BootChanged(ActionRefused):
    """Another life of the sandbox answers than the one that the action was meant for."""


class FenceTooOld(ActionRefused):
    """The conversation is in another worker's hands."""

    fault = "server"


class Discarded(ActionRefused):
    """The action was interrupted or deleted before it was seen, or its result was stored already."""
