"""Whether sandboxes work on this machine, found out by using one."""

import uuid

from django.db.models import Count, OuterRef, Subquery

from openhands_site import async_thread
from openhands_site.db import release_connection
from sandboxes import choice, client
from sandboxes.backends.base import Started
from sandboxes.errors import SandboxError
from sandboxes.models import Runtime, Sandbox
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
    if not runtime_api.is_contained(backend=backend):
        sentence += " Only operators may start one; install bubblewrap, or set SANDBOX_ALLOW_UNISOLATED=1."
    return sentence


def describe_others() -> str:
    """How many sandboxes have their files on another backend than new ones, what keeps these in, and whether they can
    start; an empty text where there is none."""
    newest = Runtime.objects.filter(sandbox=OuterRef("pk")).order_by("-started_at").values("backend")[:1]
    found = Sandbox.objects.annotate(backend=Subquery(newest)).exclude(backend=None)
    counts = found.exclude(backend=runtime_api.backend_name()).values_list("backend").annotate(Count("pk"))
    told = sorted(counts)
    release_connection()
    return " ".join(_describe_other(backend, count) for backend, count in told)


def _describe_other(backend: str, count: int) -> str:
    sentence = f"{count} older ones start on the backend {backend}, where their files are"
    try:
        if problem := choice.describe_absence(backend):
            return f"{sentence}, and cannot now. {problem}"
        return f"{sentence}; isolation: {runtime_api.isolation(backend=backend)}."
    except SandboxError as error:
        return f"{sentence}, and cannot now. {error}"


def _use_one(backend: str) -> Started:
    sandbox_id = uuid.uuid4()
    try:
        started = runtime_api.start(
            backend=backend, sandbox_id=sandbox_id, spec=configured_spec(), progress=lambda *_: None
        )
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
