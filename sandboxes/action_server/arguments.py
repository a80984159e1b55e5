"""Reading a tool's arguments, which a model wrote: each mistake becomes a sentence that it can act on."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from .errors import ToolError


class Arguments:
    """A typed view of `values`; every getter raises `ToolError` when the value has another type."""

    def __init__(self, values: Mapping[str, Any], known: Sequence[str]) -> None:
        self._values = {name: value for name, value in values.items() if value is not None}
        unknown = sorted(name for name in values if name not in known)
        if unknown:
            raise ToolError(f"Unknown argument {', '.join(unknown)}. Known are: {', '.join(known)}.")

    def text(self, name: str, default: str | None = None) -> str:
        """The string `name`; without a default it must be there."""
        value = self._values.get(name, default)
        if value is None:
            raise ToolError(f"The argument {name} is missing.")
        if not isinstance(value, str):
            raise ToolError(f"The argument {name} must be a string.")
        try:
            value.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ToolError(
                f"The argument {name} holds half of a surrogate pair at character {error.start}."
            ) from error
        return value

    def flag(self, name: str) -> bool:
        """The boolean `name`, false when absent."""
        value = self._values.get(name, False)
        if not isinstance(value, bool):
            raise ToolError(f"The argument {name} must be true or false.")
        return value

    def number(self, name: str, default: float, highest: float) -> float:
        """The number `name`, above 0 and up to `highest`."""
        value = self._values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= highest:
            raise ToolError(f"The argument {name} must be a number above 0, up to {highest:g}.")
        return float(value)

    def line(self, name: str) -> int:
        """The whole number `name`, which must be there."""
        if name not in self._values:
            raise ToolError(f"The argument {name} is missing.")
        value = _whole(self._values[name])
        if value is None:
            raise ToolError(f"The argument {name} must be a whole number.")
        return value

    def line_range(self, name: str) -> tuple[int, int] | None:
        """The pair `[first, last]` called `name`, or None when absent."""
        value = self._values.get(name)
        if value is None:
            return None
        numbers = [_whole(item) for item in value] if isinstance(value, list) else []
        first, last = numbers if len(numbers) == 2 else (None, None)
        if first is None or last is None:
            raise ToolError(f"The argument {name} must be two whole numbers: [first line, last line].")
        return first, last


def _whole(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
