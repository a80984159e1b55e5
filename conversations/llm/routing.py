"""How a model's name becomes a route, which is how LiteLLM is asked for it.

    name                           base URL   route
    openai/gpt-4o                  -          openai/gpt-4o
    gpt-4o                         -          gpt-4o                          LiteLLM knows whose it is
    anthropic/claude-sonnet-4-5    -          anthropic/claude-sonnet-4-5
    openai/gpt-4o                  given      hosted_vllm/gpt-4o              an OpenAI-compatible server
    Qwen/Qwen3-Coder               given      hosted_vllm/Qwen/Qwen3-Coder    no provider's prefix: the same
    litellm_proxy/claude           given      hosted_vllm/claude              the proxy speaks OpenAI's protocol
    anthropic/claude-sonnet-4-5    given      anthropic/claude-sonnet-4-5     Anthropic's protocol at that URL

The route `hosted_vllm/` speaks the same protocol as `openai/` for a tenth of the work a call.
"""

COMPATIBLE = "hosted_vllm"
# Prefixes that say no more than "speaks OpenAI's protocol".
_SPEAKS_OPENAI = frozenset(
    {
        "openai",
        "hosted_vllm",
        "vllm",
        "openai_like",
        "custom_openai",
        "litellm_proxy",
        "lm_studio",
        "llamafile",
    }
)
# Every provider of LiteLLM's; another prefix, such as that of an organisation, belongs to the model's name.
_NAMES = """
a2a a2a_agent ai21 ai21_chat aiml aiohttp_openai amazon_nova anthropic anthropic_text apertis assemblyai
auto_router aws_polly aws_textract azure azure_ai azure_speech azure_text baseten bedrock bedrock_mantle
black_forest_labs bytez cerebras charity_engine chatgpt chutes clarifai cloudflare codestral cognition cohere
cohere_chat cometapi compactifai cortecs cursor custom custom_openai darkbloom dashscope databricks datarobot
deepgram deepinfra deepseek docker_model_runner dotprompt edenai elevenlabs empower fal_ai featherless_ai
fireworks_ai friendliai galadriel gdc gemini gigachat github github_copilot gradient_ai groq helicone heroku
hosted_vllm huggingface humanloop hyperbolic inception infinity jina_ai lambda_ai langflow langfuse langgraph
lemonade libertai litellm_agent litellm_proxy llamafile lm_studio manus maritalk meta meta_llama milvus minimax
mistral modelscope mongodb moonshot morph nadir nano-gpt nebius neosantara nlp_cloud novita nscale nvidia_nim
nvidia_riva oci ollama ollama_chat oobabooga openai openai_like openrouter ovhcloud parasail perplexity petals
pg_vector pinstripes poe predibase prism publicai qwen_ai_platform qwencloud ragflow recraft reducto reka
replicate runwayml s3_vectors sagemaker sagemaker_chat sagemaker_nova sail sambanova sap scaleway scx-ai
snowflake soniox stability strands_decider synthetic tencent tensormesh text-completion-codestral
text-completion-inception text-completion-openai together_ai topaz transcribe triton typesafe v0 valkey
vercel_ai_gateway vertex_ai vertex_ai_beta vllm volcengine voyage wandb watsonx watsonx_text xai xiaomi_mimo
xinference zai
"""
PROVIDERS = frozenset(_NAMES.split())
# What takes nothing but a key. The others may sign with what lies in the server's environment (a cloud's
# token, say), which must not go to an address that a user chose.
_TAKES_A_KEY_ALONE = frozenset(
    {"anthropic", "deepseek", "gemini", "groq", "mistral", "ollama", "ollama_chat", "openrouter", "xai"}
)


def provider(name: str) -> str:
    """The provider that the name begins with, or an empty string."""
    prefix, slash, _ = name.partition("/")
    return prefix if slash and prefix in PROVIDERS else ""


def bare(name: str) -> str:
    """The name without its provider."""
    return name.removeprefix(f"{provider(name)}/") if provider(name) else name


def speaks_openai(name: str) -> bool:
    """Whether at a base URL the model is asked for in OpenAI's protocol."""
    return not provider(name) or provider(name) in _SPEAKS_OPENAI


def route(name: str, base_url: str) -> str:
    return f"{COMPATIBLE}/{bare(name)}" if base_url and speaks_openai(name) else name


def may_be_redirected(name: str) -> bool:
    """Whether a user may send calls of this model to a base URL of their own."""
    return speaks_openai(name) or provider(name) in _TAKES_A_KEY_ALONE
