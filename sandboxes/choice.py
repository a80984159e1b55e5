"""Which backend new sandboxes get where SANDBOX_BACKEND leaves it open: found out once in a process, without waiting.
Those that have files stay where these are.

`up` finds it out and tells the processes that it starts.
"""

from dataclasses import dataclass

from django.conf import settings

from openhands_site.once import once


@dataclass(frozen=True)
class Choice:
    """`reason`: why it is not Docker, where it could be; else empty."""

    backend: str
    reason: str = ""


def chosen() -> Choice:
    name: str = settings.SANDBOX_BACKEND
    return _found_out() if name == "auto" else Choice(name)


def describe_absence(backend: str) -> str:
    """Why nothing can start on the backend by now, as a sentence with the remedy; else an empty text.

    Raises SandboxError where what it stands on does not answer. Asks anew each time, for 2 s at most.
    """
    if backend != "docker":
        return ""
    from sandboxes.backends.docker import engine, images

    with engine.talking(engine.PROBE_SECONDS) as client:
        return images.describe_absence(client)


@once
def _found_out() -> Choice:
    from sandboxes.errors import SandboxError

    try:
        problem = describe_absence("docker")
    except SandboxError as error:
        problem = str(error)
    return Choice("process", f"Docker is not used: {problem}") if problem else Choice("docker")
