"""The bridge that an installation's sandboxes share, and what cannot be reached from it.

Sandboxes do not reach each other (the engine sees to that), and by rules of the kernel's firewall for this bridge alone
they reach neither this machine's own ports, on whatever address, nor SANDBOX_BLOCKED_NETWORKS. A container that lives
for a moment in the machine's network sets these rules; where it cannot, we say so.
"""

import json
import os
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path

import structlog
from django.conf import settings
from docker import APIClient
from docker.errors import APIError, NotFound

from sandboxes.backends.docker import engine
from sandboxes.backends.docker.containers import INSTALLATION, network_name
from sandboxes.errors import SandboxError

RULES_SECONDS = 30
_BOOT = Path("/proc/sys/kernel/random/boot_id")
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Network:
    """`is_closed`: what runs in it cannot reach this machine's own ports. `reason`: why not."""

    is_closed: bool
    reason: str = ""

    def __str__(self) -> str:
        return "docker, host's ports closed" if self.is_closed else "docker, host's ports open"


def current(image: str) -> Network:
    """The network as it was set up last; it is set up now where it is gone, or was before this machine's start."""
    with engine.talking() as client:
        return (_stored() if _has_bridge(client) else None) or set_up(image)


def set_up(image: str) -> Network:
    """Makes the bridge where there is none, and its rules anew with `nft` of the image. Repeatable."""
    with engine.talking() as client:
        _make_bridge(client)
        reason = _apply(client, image, rules(bridge_name(), settings.SANDBOX_BLOCKED_NETWORKS))
    reason = reason or _out_of_reach()
    network = Network(not reason, reason)
    settings.SANDBOX_FOLDER.mkdir(parents=True, exist_ok=True)
    draft = _file().with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps({**asdict(network), "setting": _setting()}))
    draft.replace(_file())
    if reason:
        log.warning("sandboxes can reach this machine's ports", reason=reason)
    return network


def remove(image: str | None) -> None:
    """Removes the rules, which takes an image, and the bridge. Repeatable; raises SandboxError while it is in use."""
    _file().unlink(missing_ok=True)
    with engine.talking() as client:
        if _has_bridge(client):
            if image:
                _apply(client, image, no_rules(bridge_name()))
            client.remove_network(network_name(settings.INSTALLATION_ID))


def bridge_name() -> str:
    """Of the kernel's device, 15 characters at most, so that the rules can name it before it is there."""
    return f"oh-{blake2b(settings.INSTALLATION_ID.encode(), digest_size=5).hexdigest()}"


def rules(bridge: str, blocked: list[str]) -> str:
    """What `nft` is told. A table of our own: nothing of the machine's is changed, and a refusal is final."""
    lines = [
        no_rules(bridge).rstrip(),
        f"table inet {bridge} {{",
        "chain input { type filter hook input priority -10; policy accept;",
        f'iifname "{bridge}" ct state established,related accept',
        f'iifname "{bridge}" reject',
        "}",
        "chain forward { type filter hook forward priority -10; policy accept;",
        f'iifname "{bridge}" oifname "{bridge}" reject',
        *(
            f'iifname "{bridge}" {"ip6" if ":" in network else "ip"} daddr {network} reject'
            for network in blocked
        ),
        "}",
        "}",
    ]
    return "\n".join(lines) + "\n"


def no_rules(bridge: str) -> str:
    """Repeatable: a table that is not there cannot be deleted, one that is can be added."""
    return f"add table inet {bridge}\ndelete table inet {bridge}\n"


def _make_bridge(client: APIClient) -> None:
    if _has_bridge(client):
        return
    options = {
        "com.docker.network.bridge.name": bridge_name(),
        "com.docker.network.bridge.enable_icc": "false",
    }
    try:
        client.create_network(
            network_name(settings.INSTALLATION_ID),
            driver="bridge",
            options=options,
            labels={INSTALLATION: settings.INSTALLATION_ID},
            check_duplicate=True,
        )
    except APIError as error:
        if error.status_code != 409:
            raise


def _has_bridge(client: APIClient) -> bool:
    name = network_name(settings.INSTALLATION_ID)
    try:
        found = client.inspect_network(name)
    except NotFound:
        return False
    if found["Labels"].get(INSTALLATION) != settings.INSTALLATION_ID:
        raise SandboxError(
            f"The engine has a network {name} that is not this installation's; "
            "remove it, or set OPENHANDS_INSTALLATION_ID to another id."
        )
    return True


def _out_of_reach() -> str:
    """Why rules in the engine's network would not keep a sandbox from this machine, or an empty text."""
    information = engine.information()
    if any("rootless" in option for option in information.get("SecurityOptions") or []):
        return "the engine runs without root, and its sandboxes speak with the machine's own user's rights"
    if "Desktop" in information.get("OperatingSystem", ""):
        return "the engine runs in a virtual machine, from which this machine can be reached"
    return ""


def _apply(client: APIClient, image: str, ruleset: str) -> str:
    """Has `nft` carry it out in the machine's network. An empty text, or why that did not work."""
    description = {
        "Image": image,
        "Entrypoint": [],
        "Cmd": ["nft", ruleset],
        "User": "0:0",
        "Labels": {INSTALLATION: settings.INSTALLATION_ID},
        "HostConfig": {
            "NetworkMode": "host",
            "CapDrop": ["ALL"],
            "CapAdd": ["NET_ADMIN"],
            "SecurityOpt": ["no-new-privileges"],
            "ReadonlyRootfs": True,
        },
    }
    made = client.create_container_from_config(description, None)["Id"]
    try:
        client.start(made)
        code = client.wait(made, timeout=RULES_SECONDS)["StatusCode"]
        said = client.logs(made).decode(errors="replace")
    except APIError as error:
        return engine.explanation(error)
    finally:
        client.remove_container(made, force=True, v=True)
    errors = [line for line in said.splitlines() if "rror" in line]
    return (errors or [f"nft ended with {code}"])[0] if code else ""


def _stored() -> Network | None:
    try:
        stored = json.loads(_file().read_text())
        return Network(**stored) if stored.pop("setting") == _setting() else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _setting() -> list[str]:
    """What the rules were made for and stand until: this start of the machine, and what is to be blocked."""
    boot = _BOOT.read_text().strip() if _BOOT.exists() else ""
    return [boot, bridge_name(), *settings.SANDBOX_BLOCKED_NETWORKS]


def _file() -> Path:
    folder: Path = settings.SANDBOX_FOLDER
    return folder / "network.json"
