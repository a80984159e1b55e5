"""How an action ended, in the few words of its card's first line."""

from dataclasses import dataclass
from typing import Literal

from conversations.events import Observation, TextPart
from conversations.rendering.diffs import DiffLine, changed, lines_of

OPEN_LINES = 12  # an output of up to so many lines is shown at once
LOST = "The sandbox ended while this ran, so it may have had its effect or not. The agent is told."
Tone = Literal["good", "bad", "warn"]
_ENDS: dict[str, tuple[Tone, str]] = {
    "error": ("bad", "failed"),
    "interrupted": ("warn", "interrupted"),
    "lost": ("warn", "lost"),
}


@dataclass(frozen=True)
class Outcome:
    """`is_open` says whether the card shows it without being asked: failures, edits and what is short.
    `note` says what an outcome without a content of its own means."""

    tone: Tone
    label: str
    is_open: bool
    diff: list[DiffLine]
    note: str = ""


def describe_outcome(observation: Observation) -> Outcome:
    tone, label = _ends_how(observation)
    diff = lines_of(str(observation.meta.get("diff", "")))
    is_file_view = "lines" in observation.meta
    note = LOST if observation.outcome == "lost" and not observation.content else ""
    shows_itself = tone == "bad" or (not is_file_view and _is_short(observation))
    is_open = bool(diff or note) or (_says_something(observation) and shows_itself)
    return Outcome(tone, label, is_open, diff, note)


def _ends_how(observation: Observation) -> tuple[Tone, str]:
    meta = observation.meta
    exit_code, seconds = meta.get("exit_code"), meta.get("seconds")
    tone, label = _ENDS.get(observation.outcome, ("good", ""))
    if observation.outcome == "ok":
        if meta.get("still_running"):
            tone, label = "warn", "still running"
        elif exit_code is not None:
            tone, label = ("bad" if exit_code else "good"), f"exit {exit_code}"
        elif meta.get("diff"):
            label = "+{} -{}".format(*changed(str(meta["diff"])))
        elif "lines" in meta:
            label = f"{meta['lines']:,} lines"
    return tone, f"{label} · {_duration(seconds)}" if isinstance(seconds, int | float) else label


def _duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def _says_something(observation: Observation) -> bool:
    return any(not isinstance(part, TextPart) or part.text for part in observation.content)


def _is_short(observation: Observation) -> bool:
    texts = [part.text for part in observation.content if isinstance(part, TextPart)]
    if not all(isinstance(text, str) for text in texts):
        return False
    return sum(str(text).count("\n") + 1 for text in texts) <= OPEN_LINES
