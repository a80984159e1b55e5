"""Which backend new sandboxes get where SANDBOX_BACKEND leaves it open: found out once in a process, without waiting.

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


@once
def _found_out() -> Choice:
    problem = _problem_with_docker()
    return Choice("process", f"Docker is not used: {problem}") if problem else Choice("docker")


def _problem_with_docker() -> str:
    from sandboxes.backends.docker import engine, images
    from sandboxes.errors import SandboxError

    try:
        with engine.talking(engine.PROBE_SECONDS) as client:
            return images.describe_absence(client)
    except SandboxError as error:
        return str(error)
