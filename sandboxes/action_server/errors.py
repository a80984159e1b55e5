"""The two ways in which a request can be wrong: the model's fault, or our own caller's."""

from __future__ import annotations

from sandboxes.protocol import Refusal, RefusalCode


class ToolError(Exception):
    """The model asked for something that cannot be done; the text tells it what to do instead.

    It becomes a result with the outcome `error`, which the model reads like any other observation.
    """


class Refused(Exception):
    """The request itself is not acceptable; nothing ran. It becomes a `Refusal` with a 4xx status."""

    def __init__(self, code: RefusalCode, message: str) -> None:
        super().__init__(message)
        self.refusal = Refusal(code, message)
