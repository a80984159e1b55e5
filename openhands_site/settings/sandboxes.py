"""Where the agent's commands run."""

from openhands_site import env
from openhands_site.settings.home import OPENHANDS_HOME

SANDBOX_BACKENDS = {
    "process": "sandboxes.backends.process.ProcessBackend",
    "memory": "sandboxes.backends.memory.MemoryBackend",
}
SANDBOX_BACKEND = env.choice("SANDBOX_BACKEND", "auto", ("auto", *SANDBOX_BACKENDS))
SANDBOX_ALLOW_UNISOLATED = env.flag("SANDBOX_ALLOW_UNISOLATED")
SANDBOX_FOLDER = OPENHANDS_HOME / "sandboxes"
SANDBOX_START_TIMEOUT = env.number("SANDBOX_START_TIMEOUT", 120, at_least=5)
# Who is told of a sandbox's fate, inside the transaction that changes its row: see sandboxes.observers.
SANDBOX_OBSERVER = "conversations.provisioning.SandboxObserver"
