"""Takes from the engine all that is an installation's, by its label: for a server that is given up, and for tests."""

from dataclasses import dataclass

from django.conf import settings

from sandboxes.backends.docker import engine, images, network
from sandboxes.backends.docker.containers import INSTALLATION


@dataclass(frozen=True)
class Uninstalled:
    containers: int
    volumes: int


def uninstall() -> Uninstalled:
    """Removes every container, volume and network of this installation, and the network's rules. Images stay: they are
    nobody's. Repeatable; raises SandboxError."""
    label = {"label": f"{INSTALLATION}={settings.INSTALLATION_ID}"}
    with engine.talking() as client:
        containers = client.containers(all=True, filters=label)
        for container in containers:
            client.remove_container(container["Id"], force=True, v=True)
        volumes = client.volumes(filters=label)["Volumes"] or []
        for volume in volumes:
            client.remove_volume(volume["Name"])
        has_image = images.find(client, images.own_image()) is not None
    network.remove(images.own_image() if has_image else None)
    return Uninstalled(len(containers), len(volumes))
