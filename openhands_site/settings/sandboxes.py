"""Where the agent's commands run."""

from pathlib import Path

from openhands_site import env
from openhands_site.settings.home import OPENHANDS_HOME

SANDBOX_BACKENDS = {
    "docker": "sandboxes.backends.docker.backend.DockerBackend",
    "process": "sandboxes.backends.process.backend.ProcessBackend",
    "memory": "sandboxes.backends.memory.MemoryBackend",
}
SANDBOX_BACKEND = env.choice("SANDBOX_BACKEND", "auto", ("auto", *SANDBOX_BACKENDS))
# Of the engine, which Docker's own programs read, too.
DOCKER_HOST = env.text("DOCKER_HOST", "unix:///var/run/docker.sock")
# Beside the data folder, for it can be made anew and serves every installation.
CACHE_FOLDER = env.folder("XDG_CACHE_HOME", Path.home() / ".cache") / "openhands"
# Which images users may name, as patterns; none where it is empty.
SANDBOX_IMAGES = env.items("SANDBOX_IMAGES")
# What a Docker sandbox cannot reach, besides this machine's own ports and other sandboxes: the metadata of clouds, also
# Alibaba's and Azure's, which are elsewhere, and by IPv6 Amazon's and Google's.
SANDBOX_BLOCKED_NETWORKS = env.networks(
    "SANDBOX_BLOCKED_NETWORKS",
    "169.254.0.0/16, 100.100.100.200, 168.63.129.16, fd00:ec2::254, fd20:ce::254",
)
SANDBOX_ALLOW_UNISOLATED = env.flag("SANDBOX_ALLOW_UNISOLATED")
SANDBOX_FOLDER = OPENHANDS_HOME / "sandboxes"
SANDBOX_START_TIMEOUT = env.number("SANDBOX_START_TIMEOUT", 120, at_least=5)
# Seconds without an answer after which a sandbox that is there counts as dead and is ended.
SANDBOX_DEAD_AFTER = env.number("SANDBOX_DEAD_AFTER", 60, at_least=5)
# What one sandbox may use, where the backend can limit it; 0 means no limit.
SANDBOX_MEMORY_MB = env.number("SANDBOX_MEMORY_MB", 4096)
SANDBOX_CPUS = env.amount("SANDBOX_CPUS") or 0
SANDBOX_PROCESSES = env.number("SANDBOX_PROCESSES", 1024)
SANDBOX_DISK_MB = env.number("SANDBOX_DISK_MB", 10_000)
# Who is told of a sandbox's fate, inside the transaction that changes its row: see sandboxes.observers.
SANDBOX_OBSERVER = "conversations.sandbox_observer.SandboxObserver"
