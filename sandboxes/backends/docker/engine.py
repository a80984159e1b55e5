"""The engine: talks with it, and what goes wrong in one in our words."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import requests
import urllib3
from docker import APIClient
from docker.constants import DEFAULT_UNIX_SOCKET
from docker.errors import APIError, DockerException
from docker.utils import kwargs_from_env

from openhands_site.once import once
from sandboxes.errors import BackendSilent, SandboxError

REQUEST_SECONDS = 60
PROBE_SECONDS = 2
SILENT = "The Docker engine does not answer ({reason}). Is it running, and may this user use its socket?"


@contextmanager
def talking(timeout: int = REQUEST_SECONDS) -> Iterator[APIClient]:
    """The engine's client. What the block does not catch of Docker's own errors becomes BackendSilent where the
    engine does not answer, and SandboxError where it refuses. `timeout` is for silence, in seconds."""
    try:
        _knock()
        with closing(APIClient(version=_api_version(), timeout=timeout, **kwargs_from_env())) as client:
            yield client
    except APIError as error:
        raise SandboxError(f"The Docker engine refused: {explanation(error)}") from error
    except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise BackendSilent(SILENT.format(reason=getattr(error, "strerror", None) or error)) from error


def explanation(error: APIError) -> str:
    return str(error.explanation or error).strip()


@once
def information() -> dict[str, Any]:
    """What the engine says of itself, as of our first question: its id above all."""
    with talking() as client:
        told: dict[str, Any] = client.info()
    return told


@once
def _api_version() -> str:
    """The one that the engine speaks; asked for once, and without patience."""
    with closing(APIClient(version="auto", timeout=PROBE_SECONDS, **kwargs_from_env())) as client:
        return str(client.api_version)


def _knock() -> None:
    """Raises the system's own OSError where nobody is at the engine's socket; the SDK buries it under three others."""
    scheme, _, path = str(kwargs_from_env().get("base_url", DEFAULT_UNIX_SOCKET)).partition("://")
    if scheme.endswith("unix"):
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(PROBE_SECONDS)
            probe.connect(path)
