"""The bridge that an installation's sandboxes share, and what cannot be reached from it.

Sandboxes do not reach each other (the engine sees to that), and by rules of the kernel's firewall for this bridge alone
they reach neither this machine's own ports, on whatever address, nor SANDBOX_BLOCKED_NETWORKS. Only names are resolved
by whoever does that for this machine: often it is the machine itself, or the address of a cloud's metadata. Where the
rules cannot be set, we say so.
"""

import http.client
import json
import os
import threading
import time
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import structlog
from django.conf import settings
from docker import APIClient
from docker.errors import APIError, NotFound

from sandboxes.backends.docker import engine, firewall
from sandboxes.backends.docker.containers import INSTALLATION, network_name
from sandboxes.errors import SandboxError

# Somebody else may have flushed the firewall meanwhile: the first start after so long sets the rules anew.
RENEW_SECONDS = 600
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_one_at_a_time = threading.Lock()
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Network:
    """`is_closed`: what runs in it cannot reach this machine's own ports. `reason`: why not."""

    is_closed: bool
    reason: str = ""

    def __str__(self) -> str:
        return "docker, host's ports closed" if self.is_closed else "docker, host's ports open"


def current(image: str) -> Network:
    """The network as it was set up last; it is set up now where it is gone, or was before this machine's start, or
    long ago."""
    with _one_at_a_time:
        with engine.talking() as client:
            is_there = _bridge(client) is not None
        return (_stored() if is_there else None) or set_up(image)


def set_up(image: str) -> Network:
    """Makes the bridge where there is none, and its rules anew with `nft` of the image. Repeatable."""
    with engine.talking() as client:
        bridge = _bridge(client) or _make_bridge(client)
        families = ("ip", "ip6") if bridge["EnableIPv6"] else ("ip",)
        ruleset = firewall.rules(bridge_name(), settings.SANDBOX_BLOCKED_NETWORKS)
        reason = firewall.apply(client, image, ruleset, *families)
    reason = reason or _out_of_reach()
    network = Network(not reason, reason)
    settings.SANDBOX_FOLDER.mkdir(parents=True, exist_ok=True)
    draft = _file().with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps({**asdict(network), "setting": _setting(), "at": time.time()}))
    draft.replace(_file())
    if reason:
        log.warning("sandboxes can reach this machine's ports", reason=reason)
    return network


def remove(image: str | None) -> None:
    """Removes the rules, which takes an image, and the bridge. Repeatable; raises SandboxError while it is in use."""
    _file().unlink(missing_ok=True)
    with engine.talking() as client:
        if _bridge(client):
            if image:
                firewall.apply(client, image, firewall.no_rules(bridge_name()))
            client.remove_network(network_name(settings.INSTALLATION_ID))


def bridge_name() -> str:
    """Of the kernel's device, 15 characters at most, so that the rules can name it before it is there."""
    return f"oh-{blake2b(settings.INSTALLATION_ID.encode(), digest_size=5).hexdigest()}"


def bridge_options() -> dict[str, str]:
    return {
        "com.docker.network.bridge.name": bridge_name(),
        "com.docker.network.bridge.enable_icc": "false",
    }


def _make_bridge(client: APIClient) -> dict[str, Any]:
    name = network_name(settings.INSTALLATION_ID)
    labels = {INSTALLATION: settings.INSTALLATION_ID}
    try:
        client.create_network(
            name, driver="bridge", options=bridge_options(), labels=labels, check_duplicate=True
        )
    except APIError as error:
        if error.status_code != http.client.CONFLICT:
            raise
    made: dict[str, Any] = client.inspect_network(name)
    return made


def _bridge(client: APIClient) -> dict[str, Any] | None:
    name = network_name(settings.INSTALLATION_ID)
    try:
        found: dict[str, Any] = client.inspect_network(name)
    except NotFound:
        return None
    if (found["Labels"] or {}).get(INSTALLATION) != settings.INSTALLATION_ID:
        raise SandboxError(
            f"The engine has a network {name} that is not this installation's; "
            "remove it, or set OPENHANDS_INSTALLATION_ID to another id."
        )
    return found


def _out_of_reach() -> str:
    """Why rules in the engine's network would not keep a sandbox from this machine, or an empty text."""
    information = engine.information()
    if any("rootless" in option for option in information.get("SecurityOptions") or []):
        return "the engine runs without root, and its sandboxes speak with the machine's own user's rights"
    if "Desktop" in information.get("OperatingSystem", ""):
        return "the engine runs in a virtual machine, from which this machine can be reached"
    return ""


def _stored() -> Network | None:
    try:
        stored = json.loads(_file().read_text())
        is_fresh = time.time() - stored.pop("at") < RENEW_SECONDS
        return Network(**stored) if stored.pop("setting") == _setting() and is_fresh else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _setting() -> list[str]:
    """What the rules were made for and stand until: this start of the machine, and what is to be blocked."""
    boot = _BOOT.read_text().strip() if _BOOT.exists() else ""
    return [boot, bridge_name(), *settings.SANDBOX_BLOCKED_NETWORKS]


def _file() -> Path:
    folder: Path = settings.SANDBOX_FOLDER
    return folder / "network.json"
