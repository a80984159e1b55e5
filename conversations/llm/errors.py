"""What can go wrong with a model call, and whose fault it is."""

from typing import Literal


class LLMError(Exception):
    """A call that was given up. `message` tells a person what to do; `retryable` whether the same can help later."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "llm_error",
        fault: Literal["user", "provider", "server"] = "provider",
        retryable: bool = False,
        attempts: int = 1,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.fault = fault
        self.retryable = retryable
        self.attempts = attempts
