"""The engine: talks with it, and what goes wrong in one in our words."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from typing import Any

import requests
import urllib3
from django.conf import settings
from docker import APIClient
from docker.constants import DEFAULT_DOCKER_API_VERSION
from docker.errors import APIError, DockerException

from sandboxes.errors import BackendSilent, SandboxError

REQUEST_SECONDS = 60
PROBE_SECONDS = 2
SILENT = "The Docker engine does not answer ({reason}). Is it running, and may this user use its socket?"
ELSEWHERE = (
    "DOCKER_HOST is {address}, and sandboxes need an engine on this machine, for their ports are on its loopback: "
    "leave DOCKER_HOST out, or set it to a socket such as unix:///var/run/docker.sock."
)


@contextmanager
def talking(timeout: int = REQUEST_SECONDS) -> Iterator[APIClient]:
    """The engine's client. What the block does not catch of Docker's own errors becomes BackendSilent where the
    engine does not answer, and SandboxError where it refuses. `timeout` is for silence, in seconds."""
    address = _address()
    try:
        _knock(address)
        with closing(APIClient(address, version=_api_version(address), timeout=timeout)) as client:
            yield client
    except APIError as error:
        if "client version" in explanation(error):  # it was another engine that we asked what it speaks
            _api_version.cache_clear()
            raise BackendSilent(SILENT.format(reason="it is of another version than before")) from error
        raise SandboxError(f"The Docker engine refused: {explanation(error)}") from error
    except (DockerException, requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
        raise BackendSilent(SILENT.format(reason=_reason(error))) from error


def _reason(error: Exception) -> str:
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
        return "it says nothing"
    return str(getattr(error, "strerror", None) or error)


def explanation(error: APIError) -> str:
    return str(error.explanation or error).strip()


def information() -> dict[str, Any]:
    """What the engine says of itself, as of our first question: its id above all."""
    return _information(_address())


@cache
def _information(address: str) -> dict[str, Any]:
    with talking() as client:
        told: dict[str, Any] = client.info()
    return told


def _address() -> str:
    address: str = settings.DOCKER_HOST
    if not address.startswith("unix://"):
        raise SandboxError(ELSEWHERE.format(address=address))
    return address


def _knock(address: str) -> None:
    """Raises the system's own OSError where nobody is at the engine's socket; the SDK buries it under three others."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(PROBE_SECONDS)
        probe.connect(address.partition("://")[2])


@cache
def _api_version(address: str) -> str:
    """The newest that both the SDK and the engine know, so that answers are of the form that we expect of them; asked
    for once, and without patience."""
    with closing(APIClient(address, version=DEFAULT_DOCKER_API_VERSION, timeout=PROBE_SECONDS)) as client:
        told = client.version(api_version=False)
    newest = min(str(told["ApiVersion"]), DEFAULT_DOCKER_API_VERSION, key=_order)
    return max(newest, str(told.get("MinAPIVersion") or newest), key=_order)


def _order(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
