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
# What one sandbox may use, where the backend can limit it; 0 means no limit.
SANDBOX_MEMORY_MB = env.number("SANDBOX_MEMORY_MB", 4096)
SANDBOX_CPUS = env.amount("SANDBOX_CPUS") or 0
SANDBOX_PROCESSES = env.number("SANDBOX_PROCESSES", 1024)
SANDBOX_DISK_MB = env.number("SANDBOX_DISK_MB", 10_000)
# Who is told of a sandbox's fate, inside the transaction that changes its row: see sandboxes.observers.
SANDBOX_OBSERVER = "conversations.sandbox_observer.SandboxObserver"
