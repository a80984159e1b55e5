from decimal import Decimal

import pytest

from conversations.llm import client, prices


@pytest.mark.parametrize(
    "name, provider",
    [
        ("gpt-4o", "openai"),
        ("openai/gpt-4o", "openai"),
        ("hosted_vllm/gpt-4o", "openai"),
        ("anthropic/claude-sonnet-4-5", "anthropic"),
        ("claude-sonnet-4-5", "anthropic"),
        ("litellm_proxy/anthropic/claude-sonnet-4-5", "anthropic"),
        ("gemini/gemini-2.5-pro", "gemini"),
        ("bedrock/anthropic.claude-sonnet-4-6", "bedrock_converse"),
        ("cohere/command-r7b-12-2024", "cohere_chat"),
    ],
)
def test_a_listed_model_has_a_price_however_it_is_named(name: str, provider: str) -> None:
    price = prices.listed_price(name)
    assert price is not None
    assert price.provider == provider
    assert price.cost(1000, 1000) > 0


@pytest.mark.parametrize(
    "name", ["openai/our-own-model", "anthropic/gpt-4o", "sample_spec", "text-embedding-3-small", ""]
)
def test_what_is_not_listed_for_its_provider_has_no_price(name: str) -> None:
    assert prices.listed_price(name) is None


def test_a_price_of_nothing_is_believed_of_ones_own_machine_alone() -> None:
    local = prices.listed_price("ollama/llama3")
    assert local is not None
    assert local.cost(1000, 1000) == 0
    assert all(
        price.rates[0].prompt or price.rates[0].completion or price.provider in prices._FREE
        for price in prices._load().values()
    )


@pytest.mark.parametrize(
    "name, prompt, completion, cached",
    [
        ("gpt-4o", 1000, 500, 0),
        ("gpt-4o", 1000, 500, 600),
        ("anthropic/claude-sonnet-4-5", 150_000, 500, 100_000),
        ("gemini/gemini-2.5-pro", 250_000, 700, 0),
        ("gemini/gemini-2.5-pro", 250_000, 700, 50_000),
        ("deepseek/deepseek-chat", 30_000, 700, 20_000),
    ],
)
def test_costs_agree_with_litellms_own_calculation(
    name: str, prompt: int, completion: int, cached: int
) -> None:
    litellm = client._litellm()
    usage = litellm.Usage(
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_tokens=prompt + completion,
        prompt_tokens_details={"cached_tokens": cached},
    )
    response = litellm.ModelResponse(model=name, usage=usage)
    expected = litellm.completion_cost(completion_response=response, model=name)
    price = prices.listed_price(name)
    assert price is not None
    assert float(price.cost(prompt, completion, cached=cached)) == pytest.approx(expected, abs=1e-7)


def test_tokens_written_to_a_cache_have_a_price_of_their_own() -> None:
    price = prices.listed_price("anthropic/claude-sonnet-4-5")
    assert price is not None
    # $3.75 for a million written, $0.30 read again, $3.00 for the rest.
    assert price.cost(1_000_000, 0, written=1_000_000) > price.cost(1_000_000, 0, cached=1_000_000)
    small = price.cost(10_000, 0, cached=4_000, written=5_000)
    assert small == Decimal("0.02295")
