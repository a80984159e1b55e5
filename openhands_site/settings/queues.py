"""Redis and Celery: the fast path. Losing it costs latency, never work."""

from urllib.parse import quote

from openhands_site import env
from openhands_site.redis_server import private_socket
from openhands_site.settings.home import INSTALLATION_ID, OPENHANDS_HOME

REDIS_SOCKET = private_socket(OPENHANDS_HOME)
REDIS_IS_PRIVATE = not env.text("REDIS_URL")
REDIS_URL = env.url("REDIS_URL", ("redis", "rediss", "unix"), f"unix://{quote(str(REDIS_SOCKET))}")
REDIS_PREFIX = f"openhands:{INSTALLATION_ID}:"

AGENT_QUEUE, SANDBOX_QUEUE, DEFAULT_QUEUE = "agent", "sandboxes", "default"
# The workers that `up` starts, and the queues that each serves.
WORKER_QUEUES = {
    "agent": [AGENT_QUEUE],
    "background": [SANDBOX_QUEUE, DEFAULT_QUEUE, "integrations"],
}

# Celery names the unix scheme its own way.
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "global_keyprefix": REDIS_PREFIX,
    "socket_timeout": 5,
    "socket_connect_timeout": 1,
    "max_retries": 0,
}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = DEFAULT_QUEUE
CELERY_TASK_ROUTES = {
    "conversations.tasks.run_agent": {"queue": AGENT_QUEUE},
    "sandboxes.tasks.*": {"queue": SANDBOX_QUEUE},
}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]

HINTS_SINK = "openhands_site.hints.RedisSink"
AGENT_THREADS = env.number("AGENT_THREADS", 128, at_least=1, at_most=1024)
# A worker counts as dead after so many seconds without a heartbeat, which it gives three times in them.
WORKER_DEAD_AFTER = env.number("WORKER_DEAD_AFTER", 6, at_least=1, at_most=600)
# The patience with a worker that is to end, in seconds.
STOP_SECONDS = env.number("STOP_SECONDS", 10, at_least=1, at_most=3600)
BACKGROUND_THREADS = env.number("BACKGROUND_THREADS", 8, at_least=1, at_most=256)
# A worker's sweeps, by the queue it serves: dotted paths to `sweep(worker, limit)`.
SWEEPS = {
    AGENT_QUEUE: ["conversations.sweep.sweep"],
    SANDBOX_QUEUE: ["sandboxes.sweep.sweep"],
    DEFAULT_QUEUE: ["conversations.sweep.sweep_removals"],
}
# What a worker does beside when it starts, likewise: dotted paths to functions without arguments.
WARM_UPS = {AGENT_QUEUE: ["conversations.tasks.warm_up", "conversations.llm.registry.warm_up"]}
