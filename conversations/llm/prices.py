"""What a token costs, by a model's name: from LiteLLM's table of prices, which is read without importing LiteLLM."""

import json
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from conversations.llm import routing

_TABLE = "model_prices_and_context_window_backup.json"
_CHAT = frozenset({"chat", "completion", "responses"})
# A price of 0 in the table means "not known", but for what runs on one's own machine.
_FREE = frozenset({"ollama", "ollama_chat", "lm_studio", "llamafile"})
_CENT_MILLIONTHS = Decimal("0.00000001")


@dataclass(frozen=True)
class Rates:
    """US dollars for a token, in requests with more than `above` tokens of prompt."""

    above: int
    prompt: Decimal
    completion: Decimal
    cache_read: Decimal
    cache_write: Decimal


@dataclass(frozen=True)
class Price:
    """`rates` are in rising order of `above`, the first from 0."""

    provider: str
    rates: tuple[Rates, ...]

    @classmethod
    def flat(cls, prompt: Decimal, completion: Decimal) -> "Price":
        return cls("", (Rates(0, prompt, completion, prompt, prompt),))

    def cost(self, prompt: int, completion: int, *, cached: int = 0, written: int = 0) -> Decimal:
        """US dollars; `cached` and `written` tokens of a prompt cache are among those of the prompt."""
        rates = [rates for rates in self.rates if prompt >= rates.above][-1]
        fresh = max(prompt - cached - written, 0)
        total = fresh * rates.prompt + cached * rates.cache_read + written * rates.cache_write
        return (total + completion * rates.completion).quantize(_CENT_MILLIONTHS)


def listed_price(name: str) -> Price | None:
    """The table's price, or None. Its keys stand with and without the provider, and gateways sell others' models."""
    table = _load()
    if name in table:
        return table[name]
    provider, bare = routing.provider(name), routing.bare(name)
    if provider == "litellm_proxy":
        return listed_price(bare)
    found = table.get(bare)
    if found is None or not provider:
        return found
    return found if routing.speaks_openai(name) or found.provider.startswith(provider) else None


def known_provider(name: str) -> str:
    """Whose a model is: by its prefix, else by the table; empty where neither says it."""
    if provider := routing.provider(name):
        return provider
    found = _load().get(name)
    return found.provider if found else ""


@cache
def _load() -> dict[str, Price]:
    spec = find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        return {}
    table = Path(spec.submodule_search_locations[0]) / _TABLE
    entries: dict[str, dict[str, Any]] = json.loads(table.read_bytes(), parse_float=Decimal)
    priced = ((name, _price(entry)) for name, entry in entries.items() if entry.get("mode") in _CHAT)
    return {name: price for name, price in priced if price}


def _price(entry: dict[str, Any]) -> Price | None:
    provider = entry.get("litellm_provider", "")
    base = _rates(entry, 0)
    if base is None or (base.prompt == base.completion == 0 and provider not in _FREE):
        return None
    steps = sorted(
        int(key.removeprefix("input_cost_per_token_above_").removesuffix("k_tokens")) * 1000
        for key in entry
        if key.startswith("input_cost_per_token_above_") and key.endswith("k_tokens")
    )
    dearer = [rates for step in steps if (rates := _rates(entry, step))]
    return Price(provider, (base, *dearer))


def _rates(entry: dict[str, Any], above: int) -> Rates | None:
    suffix = f"_above_{above // 1000}k_tokens" if above else ""

    def of(key: str) -> Decimal | None:
        value = entry.get(key + suffix, entry.get(key))
        return None if value is None else Decimal(value)

    prompt, completion = of("input_cost_per_token"), of("output_cost_per_token")
    if prompt is None or completion is None:
        return None
    read, write = of("cache_read_input_token_cost"), of("cache_creation_input_token_cost")
    return Rates(
        above, prompt, completion, prompt if read is None else read, prompt if write is None else write
    )
