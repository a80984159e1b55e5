from decimal import Decimal

import pytest
from pytest_django import Settings

from accounts.models import User, UserSettings
from conversations.llm import registry
from conversations.llm.base import ModelChoice
from conversations.llm.errors import LLMError
from conversations.llm.scripted import ScriptedModel
from tests.fakes.models import ScriptedTurns

OURS = "https://gateway.example.com/v1"
THEIRS = "https://users-own.example.org/v1"


def server_has(settings: Settings, model: str, key: str = "key-of-server", base_url: str = "") -> None:
    settings.LLM_MODEL, settings.LLM_API_KEY, settings.LLM_BASE_URL = model, key, base_url


def user_has(user: User, model: str = "", key: str = "", base_url: str = "") -> None:
    UserSettings.objects.create(user=user, llm_model=model, llm_api_key=key, llm_base_url=base_url)


def test_without_settings_of_a_user_the_servers_hold(owner: User, settings: Settings) -> None:
    server_has(settings, "openai/gpt-4o", base_url=OURS)
    assert registry.choose(owner) == ModelChoice("openai/gpt-4o", "key-of-server", OURS)


def test_the_users_settings_come_before_the_servers(owner: User, settings: Settings) -> None:
    server_has(settings, "openai/gpt-4o", base_url=OURS)
    user_has(owner, "anthropic/claude-sonnet-4-5", "key-of-user")
    assert registry.choose(owner) == ModelChoice("anthropic/claude-sonnet-4-5", "key-of-user")


def test_the_conversations_model_comes_first(owner: User, settings: Settings) -> None:
    server_has(settings, "openai/gpt-4o")
    user_has(owner, "openai/gpt-4.1")
    assert registry.choose(owner, "openai/gpt-5").name == "openai/gpt-5"


@pytest.mark.parametrize("model", ["", "openai/gpt-4o", "our-own-model", "anthropic/claude-sonnet-4-5"])
@pytest.mark.parametrize("base_url", ["", OURS])
def test_a_users_base_url_never_gets_the_servers_key(
    owner: User, settings: Settings, model: str, base_url: str
) -> None:
    server_has(settings, "openai/gpt-4o", base_url=base_url)
    user_has(owner, model, base_url=THEIRS)
    choice = registry.choose(owner)
    assert (choice.base_url, choice.api_key) == (THEIRS, "")


def test_a_model_that_may_not_be_redirected_gets_neither_the_users_url_nor_their_key(
    owner: User, settings: Settings
) -> None:
    server_has(settings, "openai/gpt-4o")
    user_has(owner, key="key-of-user", base_url=THEIRS)
    assert registry.choose(owner, "vertex_ai/gemini-2.5-pro") == ModelChoice("vertex_ai/gemini-2.5-pro")


@pytest.mark.parametrize(
    "name", ["openai/gpt-4o", "mistral/devstral-latest", "gpt-4o", "huggingface/some-model"]
)
def test_the_servers_key_goes_to_no_other_provider(owner: User, settings: Settings, name: str) -> None:
    server_has(settings, "anthropic/claude-sonnet-4-5")
    assert registry.choose(owner, name).api_key == ""
    assert registry.choose(owner, "claude-haiku-4-5").api_key == "key-of-server"


def test_a_gateway_of_the_server_serves_every_name_in_openais_protocol(
    owner: User, settings: Settings
) -> None:
    server_has(settings, "scripted/demo", base_url=OURS)
    for name in ("gpt-4o", "openai/gpt-4o", "litellm_proxy/claude", "Qwen/Qwen3-Coder"):
        assert registry.choose(owner, name) == ModelChoice(name, "key-of-server", OURS)
    assert registry.choose(owner, "anthropic/claude-sonnet-4-5").api_key == ""


def test_a_users_key_for_one_provider_goes_to_no_other(owner: User, settings: Settings) -> None:
    server_has(settings, "openai/gpt-4o")
    user_has(owner, "anthropic/claude-sonnet-4-5", "key-of-user")
    assert registry.choose(owner, "openai/gpt-4o").api_key == "key-of-server"
    assert registry.choose(owner, "mistral/devstral-latest").api_key == ""


def test_a_users_own_key_is_used_with_the_servers_gateway(owner: User, settings: Settings) -> None:
    server_has(settings, "openai/gpt-4o", base_url=OURS)
    user_has(owner, key="key-of-user")
    assert registry.choose(owner) == ModelChoice("openai/gpt-4o", "key-of-user", OURS)


def test_a_choice_does_not_show_its_key() -> None:
    assert "secret" not in repr(ModelChoice("openai/gpt-4o", "secret-key"))


def test_the_prefix_of_a_name_says_who_makes_the_model() -> None:
    assert isinstance(registry.create(ModelChoice("scripted/demo")), ScriptedModel)
    turns = ScriptedTurns([])
    assert registry.create(ModelChoice(turns.name)) is turns
    assert registry.create(ModelChoice("openai/gpt-4o", "key")).route == "openai/gpt-4o"


@pytest.mark.parametrize(
    "name", ["huggingface/https://elsewhere.example/x", "openai/", "/gpt", " gpt", "gpt\n4", ""]
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(LLMError, match="no name of a model"):
        registry.create(ModelChoice(name, "key"))


def test_a_price_of_the_settings_is_for_the_servers_model_and_for_unlisted_ones(settings: Settings) -> None:
    settings.LLM_MODEL = "openai/gpt-4o"
    settings.LLM_INPUT_COST_PER_TOKEN, settings.LLM_OUTPUT_COST_PER_TOKEN = 0.001, 0.002
    for name in ("openai/gpt-4o", "our-own-model"):
        price = registry.price(name)
        assert price is not None
        assert price.cost(10, 10) == Decimal("0.03")
    listed = registry.price("anthropic/claude-sonnet-4-5")
    assert listed is not None
    assert listed.cost(10, 10) == Decimal("0.00018")


def test_half_a_price_is_none(settings: Settings) -> None:
    settings.LLM_INPUT_COST_PER_TOKEN = 0.001
    assert registry.price("our-own-model") is None


def test_the_demo_costs_nothing() -> None:
    price = registry.price("scripted/demo")
    assert price is not None
    assert price.cost(1000, 1000) == 0


def test_a_budget_with_no_known_price_is_refused_with_what_to_set() -> None:
    assert registry.describe_budget_problem("openai/gpt-4o") == ""
    problem = registry.describe_budget_problem("our-own-model")
    assert "our-own-model" in problem
    assert "LLM_INPUT_COST_PER_TOKEN" in problem
    assert "LLM_OUTPUT_COST_PER_TOKEN" in problem
