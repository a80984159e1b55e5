"""The agent: its model and its limits."""

from openhands_site import env

# Nothing that cannot be seen. Some providers of LiteLLM's take a URL for a name, which would send the key there.
MODEL_NAME = r"(?!/)(?!.*://)[\w\x21-\x7e]+(?<!/)"
LLM_MODEL = env.matching("LLM_MODEL", "scripted/demo", MODEL_NAME, "anthropic/claude-sonnet-4-5")
LLM_API_KEY = env.text("LLM_API_KEY")
LLM_BASE_URL = env.url("LLM_BASE_URL", ("http", "https"))
LLM_STREAM = env.flag("LLM_STREAM", True)
LLM_INPUT_COST_PER_TOKEN = env.amount("LLM_INPUT_COST_PER_TOKEN")
LLM_OUTPUT_COST_PER_TOKEN = env.amount("LLM_OUTPUT_COST_PER_TOKEN")
LLM_TIMEOUT = env.number("LLM_TIMEOUT", 300, at_least=1)
LLM_RETRIES = env.number("LLM_RETRIES", 5, at_least=0, at_most=50)
MAX_STEPS = env.number("MAX_STEPS", 500, at_least=1)
MAX_BUDGET = env.amount("MAX_BUDGET")
# At most `sandboxes.protocol.LONGEST_TIMEOUT`.
TERMINAL_TIMEOUT = env.number("TERMINAL_TIMEOUT", 30, at_least=1, at_most=3600)
# Who makes a model, by the prefix of its name; what has none here goes through LiteLLM.
LLM_FACTORIES = {
    "scripted": "conversations.llm.scripted.create",
    "": "conversations.llm.client.create",
}
