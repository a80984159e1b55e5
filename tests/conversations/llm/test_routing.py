import pytest

from conversations.llm import client, routing

AT = "http://models.internal:8000/v1"


@pytest.mark.parametrize(
    "name, base_url, route",
    [
        ("openai/gpt-4o", "", "openai/gpt-4o"),
        ("gpt-4o", "", "gpt-4o"),
        ("anthropic/claude-sonnet-4-5", "", "anthropic/claude-sonnet-4-5"),
        ("openai/gpt-4o", AT, "hosted_vllm/gpt-4o"),
        ("gpt-4o", AT, "hosted_vllm/gpt-4o"),
        ("Qwen/Qwen3-Coder", AT, "hosted_vllm/Qwen/Qwen3-Coder"),
        ("openai/Qwen/Qwen3-Coder", AT, "hosted_vllm/Qwen/Qwen3-Coder"),
        ("hosted_vllm/llama", AT, "hosted_vllm/llama"),
        ("lm_studio/llama", AT, "hosted_vllm/llama"),
        ("litellm_proxy/claude", AT, "hosted_vllm/claude"),
        ("litellm_proxy/anthropic/claude", AT, "hosted_vllm/anthropic/claude"),
        ("litellm_proxy/claude", "", "litellm_proxy/claude"),
        ("anthropic/claude-sonnet-4-5", AT, "anthropic/claude-sonnet-4-5"),
        ("ollama_chat/llama3", AT, "ollama_chat/llama3"),
        ("azure/our-deployment", AT, "azure/our-deployment"),
    ],
)
def test_a_name_and_a_base_url_make_a_route(name: str, base_url: str, route: str) -> None:
    assert routing.route(name, base_url) == route


def test_a_users_base_url_gets_no_calls_that_are_signed_with_the_servers_cloud_token() -> None:
    assert routing.may_be_redirected("openai/gpt-4o")
    assert routing.may_be_redirected("our-own-model")
    assert routing.may_be_redirected("anthropic/claude-sonnet-4-5")
    for name in ("vertex_ai/gemini-2.5-pro", "bedrock/claude", "sagemaker/llama", "azure/gpt-4o"):
        assert not routing.may_be_redirected(name)


def test_the_known_providers_are_those_of_litellm() -> None:
    litellm = client._litellm()
    assert {str(provider.value) for provider in litellm.provider_list} == routing.PROVIDERS
