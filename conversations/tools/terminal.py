"""Commands in a persistent shell of the sandbox."""

from django.conf import settings
from pydantic import Field, ValidationInfo, field_validator

from conversations.tools.base import Arguments
from sandboxes.protocol import LONGEST_TIMEOUT, SESSION_NAME


class TerminalArguments(Arguments):
    command: str = Field("", description="The command, or the input for what runs. Empty: read on.")
    is_input: bool = Field(
        False,
        description="True to send `command` to what still runs, as typed; C-c, C-d, C-z and the like press that key.",
    )
    timeout: float | None = Field(
        None,
        gt=0,
        le=LONGEST_TIMEOUT,
        validate_default=True,
        description="Seconds without output after which you are answered that it still runs.",
    )
    reset: bool = Field(False, description="True to end the shell and begin a new one first.")
    session: str = Field(
        "main", pattern=SESSION_NAME, description="Which shell; another name is another one."
    )

    @field_validator("timeout")
    @classmethod
    def default_timeout(cls, value: float | None, others: ValidationInfo) -> float | None:
        """After input the action server itself waits for less: what is typed is mostly answered at once."""
        if value is None and not others.data.get("is_input"):
            return float(settings.TERMINAL_TIMEOUT)
        return value


class Terminal:
    name = "terminal"
    description = (
        "Runs a command in a persistent bash of the sandbox. The working directory, variables, functions and "
        "background jobs stay from call to call. A command that prints nothing for a while (`timeout` "
        "says for how long) goes on, and you are answered with what it has printed: call again with an empty "
        "command to read on, with is_input to type something, or with is_input and C-c to interrupt it. Long output "
        "is cut in the middle and kept whole in a file that is named."
    )
    arguments = TerminalArguments
    runs_in_sandbox = True
