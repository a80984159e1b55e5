"""Which model a conversation uses, with whose key, who makes it, and what it costs."""

import re
from contextlib import suppress
from decimal import Decimal

from django.conf import settings
from django.utils.module_loading import import_string

from accounts.encryption import UndecryptableError
from accounts.models import User, UserSettings
from conversations.llm import prices, routing
from conversations.llm.base import Factory, Model, ModelChoice
from conversations.llm.errors import LLMError
from conversations.llm.prices import Price

SCRIPTED = "scripted"


def default_name(user: User) -> str:
    """The user's model, else the server's."""
    return UserSettings.of(user).llm_model or str(settings.LLM_MODEL)


def choose(user: User, name: str = "") -> ModelChoice:
    """The model `name`, else the user's, else the server's, and how to reach it.

    A key goes only where it belongs: a user's base URL gets that user's key or none; a user's key without a
    base URL is for the provider of the user's model; the server's is for that of LLM_MODEL, or LLM_BASE_URL.
    Raises LLMError where the user's key cannot be read any more.
    """
    own = UserSettings.of(user)
    try:
        return _reach(own, name or own.llm_model or settings.LLM_MODEL)
    except UndecryptableError as error:
        raise LLMError(
            "Your provider's key was stored under a secret key that the server no longer has: enter it anew under "
            "Settings.",
            code="key_unreadable",
            fault="user",
        ) from error


def warm_up() -> None:
    """Loads what the server's own model needs, which can take seconds, so that no conversation waits for it."""
    with suppress(LLMError):  # whoever uses the model is told
        create(ModelChoice(settings.LLM_MODEL, settings.LLM_API_KEY, settings.LLM_BASE_URL))


def _reach(own: UserSettings, name: str) -> ModelChoice:
    if own.llm_base_url and routing.may_be_redirected(name):
        return ModelChoice(name, own.llm_api_key, own.llm_base_url)
    is_own_key = not own.llm_base_url and (not own.llm_model or _share_a_provider(name, own.llm_model))
    key = own.llm_api_key if is_own_key else ""
    if _share_a_provider(name, settings.LLM_MODEL):
        return ModelChoice(name, key or settings.LLM_API_KEY, settings.LLM_BASE_URL)
    return ModelChoice(name, key)


def create(choice: ModelChoice) -> Model:
    """The model, made by the factory that the settings name for its prefix. Raises LLMError if it cannot be."""
    prefix, slash, _ = choice.name.partition("/")
    if not is_a_name(choice.name):
        raise LLMError(
            f"{choice.name!r} is no name of a model: write provider/model, such as openai/gpt-4o.",
            code="bad_model_name",
            fault="user",
        )
    factories: dict[str, str] = settings.LLM_FACTORIES
    factory: Factory = import_string(factories.get(prefix if slash else "", factories[""]))
    return factory(choice)


def price(name: str) -> Price | None:
    """US dollars for a token; None where it is not known.

    `LLM_INPUT_COST_PER_TOKEN` and `LLM_OUTPUT_COST_PER_TOKEN` price `LLM_MODEL`, and every model that
    LiteLLM's table does not price.
    """
    if is_stand_in(name):
        return Price.flat(Decimal(0), Decimal(0))
    configured = _configured_price()
    if configured and name == settings.LLM_MODEL:
        return configured
    return prices.listed_price(name) or configured


def describe_budget_problem(name: str) -> str:
    """Why a budget cannot be kept with this model, with what to do about it; empty where it can."""
    if price(name):
        return ""
    return (
        f"The price of {name} is not known, so a budget cannot be kept. Set LLM_INPUT_COST_PER_TOKEN and "
        "LLM_OUTPUT_COST_PER_TOKEN (US dollars a token), choose a model with a known price, or leave the budget out."
    )


def is_stand_in(name: str) -> bool:
    """Whether it is no model, but plays one from a script."""
    return name.startswith(f"{SCRIPTED}/")


def is_a_name(name: str) -> bool:
    return re.fullmatch(settings.MODEL_NAME, name) is not None


def _configured_price() -> Price | None:
    prompt, completion = settings.LLM_INPUT_COST_PER_TOKEN, settings.LLM_OUTPUT_COST_PER_TOKEN
    if prompt is None or completion is None:
        return None
    return Price.flat(Decimal(str(prompt)), Decimal(str(completion)))


def _share_a_provider(name: str, other: str) -> bool:
    return _destination(name) == _destination(other)


def _destination(name: str) -> str:
    """Where a call goes that no user's base URL redirects."""
    if settings.LLM_BASE_URL and routing.speaks_openai(name):
        return routing.COMPATIBLE
    return prices.known_provider(name)
