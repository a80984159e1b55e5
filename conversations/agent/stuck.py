"""Noticing that the agent goes in circles: the same call with the same result, again and again. Pure."""

import json

from conversations.events import Action, Observation

SAME_RESULT = 4
ERRORS_IN_A_ROW = 8


class Repetition:
    """Counts, since a person last spoke or had it go on, how often in a row the agent did the same or failed."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._last = ""
        self._same = 0
        self._errors = 0

    def add(self, action: Action, observation: Observation) -> None:
        if observation.meta.get("still_running"):  # reading on is patience, not a circle
            return
        content = [part.model_dump(mode="json") for part in observation.content]
        arguments = action.model_dump(mode="json", include={"arguments", "raw_arguments"})
        signature = json.dumps([action.tool, arguments, observation.outcome, content], sort_keys=True)
        self._same = self._same + 1 if signature == self._last else 1
        self._last = signature
        self._errors = self._errors + 1 if observation.outcome == "error" else 0

    @property
    def problem(self) -> str:
        """What a person should know, or an empty string."""
        if self._same >= SAME_RESULT:
            return f"The agent did the same thing {self._same} times with the same result. Tell it what to try instead."
        if self._errors >= ERRORS_IN_A_ROW:
            return f"The agent's last {self._errors} calls all failed. Tell it what to try instead."
        return ""
