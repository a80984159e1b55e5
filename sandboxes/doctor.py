"""Whether sandboxes work on this machine, found out by using one."""

import uuid

from openhands_site import async_thread
from sandboxes import choice, client
from sandboxes.backends.base import Started
from sandboxes.errors import SandboxError
from sandboxes.protocol import ActionRequest
from sandboxes.runtime_api import client as runtime_api
from sandboxes.starting import configured_spec

COMMAND_SECONDS = 60
SAID = "the sandbox works"


def check_backend() -> str:
    """Starts a sandbox, runs a command in it and removes it. Returns a sentence on what keeps sandboxes in.

    Raises SandboxError with a sentence that says what to do. Needs no database.
    """
    backend = runtime_api.backend_name()
    try:
        started = _use_one(backend)
    except OSError as error:
        raise SandboxError(f"The backend {backend} failed: {error}") from error
    sentence = f"Sandboxes work: backend {backend}, isolation: {started.isolation}."
    if reason := choice.chosen().reason:
        sentence += f" {reason}"
    if not runtime_api.is_contained():
        sentence += " Only operators may start one; install bubblewrap, or set SANDBOX_ALLOW_UNISOLATED=1."
    return sentence


def _use_one(backend: str) -> Started:
    sandbox_id = uuid.uuid4()
    try:
        started = runtime_api.start(sandbox_id=sandbox_id, spec=configured_spec(), progress=lambda *_: None)
        _run_a_command(sandbox_id, started)
    finally:
        runtime_api.remove(backend=backend, sandbox_id=sandbox_id)
    return started


def _run_a_command(sandbox_id: uuid.UUID, started: Started) -> None:
    reachable = client.Reachable(sandbox_id, started.url, started.key, started.boot_id)
    request = ActionRequest("doctor", started.boot_id, 1, "terminal", {"command": f"echo {SAID}"})
    try:
        result = async_thread.run(client.put_action(reachable, uuid.uuid4(), request)).result(COMMAND_SECONDS)
    except TimeoutError as error:
        raise SandboxError(
            f"A sandbox started, but a command in it did not end within {COMMAND_SECONDS} s."
        ) from error
    printed = "".join(part.text for part in result.content).strip()
    if result.outcome != "ok" or not printed.startswith(SAID):
        raise SandboxError(f"A sandbox started, but its shell answered {printed[:500]!r}. Is bash installed?")
