"""What is on the engine of this installation that somebody may have left who died, or was frozen, amid a start."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from docker import APIClient

from sandboxes.backends.docker.containers import INSTALLATION, SANDBOX

# No container that helps a start is needed for so long, nor is one that `doctor` makes, of which no row tells.
LEFT_AFTER_SECONDS = 1800


@dataclass(frozen=True)
class Found:
    """The containers that only help a start, and the sandboxes of which there is a container or a volume."""

    helpers: list[str]
    sandboxes: set[UUID]


def find(client: APIClient, installation: str, since: datetime) -> Found:
    """Of what has been there for half an hour, and since then at the earliest."""
    filters = {"label": f"{INSTALLATION}={installation}"}
    containers = client.containers(all=True, filters=filters)
    volumes = client.volumes(filters=filters)["Volumes"] or []
    ages: dict[UUID, list[float]] = {}
    for labels, made_at in _made([*containers, *volumes]):
        if SANDBOX in labels:
            ages.setdefault(UUID(labels[SANDBOX]), []).append(made_at)
    return Found(
        helpers=[
            container["Id"]
            for container in containers
            if SANDBOX not in container["Labels"] and _is_left([container["Created"]], since)
        ],
        sandboxes={sandbox_id for sandbox_id, made_at in ages.items() if _is_left(made_at, since)},
    )


def _made(things: list[dict[str, Any]]) -> Iterator[tuple[dict[str, str], float]]:
    """Of a container the engine tells seconds, of a volume a date."""
    for thing in things:
        made_at = thing.get("Created") or datetime.fromisoformat(thing["CreatedAt"]).timestamp()
        yield thing["Labels"], made_at


def _is_left(made_at: list[float], since: datetime) -> bool:
    return min(made_at) > since.timestamp() and max(made_at) < time.time() - LEFT_AFTER_SECONDS
