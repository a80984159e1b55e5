"""The rules of the kernel's firewall for one bridge, and the container that sets them, for a moment in the machine's
own network."""

from django.conf import settings
from docker import APIClient
from docker.errors import APIError

from sandboxes.backends.docker import engine
from sandboxes.backends.docker.containers import INSTALLATION

RULES_SECONDS = 30
# Where the kernel hides from its firewall what passes within a bridge, no rule keeps one sandbox from another.
_SET = """nft "$0" && for family; do
  grep -qsx 1 "/proc/sys/net/bridge/bridge-nf-call-${family}tables" ||
    { echo "Error: what passes between sandboxes does not pass the kernel's firewall (br_netfilter)"; exit 1; }
done"""


def rules(bridge: str, blocked: list[str]) -> str:
    """What `nft` is told. A table of our own: nothing of the machine's is changed, and a refusal is final."""
    ours = f'iifname "{bridge}"'
    names = f"{ours} meta l4proto {{ tcp, udp }} th dport 53 accept"
    lines = [
        no_rules(bridge).rstrip(),
        f"table inet {bridge} {{",
        "chain input { type filter hook input priority -10; policy accept;",
        f"{ours} ct state established,related accept",
        names,
        f"{ours} icmpv6 type {{ nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert }} accept",
        f"{ours} reject",
        "}",
        "chain forward { type filter hook forward priority -10; policy accept;",
        f'{ours} oifname "{bridge}" reject',
        names,
        # A port of this machine that leads on to another container.
        f"{ours} ct direction original ct status dnat reject",
        *(f"{ours} {'ip6' if ':' in network else 'ip'} daddr {network} reject" for network in blocked),
        "}",
        "}",
    ]
    return "\n".join(lines) + "\n"


def no_rules(bridge: str) -> str:
    """Repeatable: a table that is not there cannot be deleted, one that is can be added."""
    return f"add table inet {bridge}\ndelete table inet {bridge}\n"


def apply(client: APIClient, image: str, ruleset: str, *families: str) -> str:
    """Has `nft` carry it out in the machine's network. An empty text, or why that did not work, or does not help for
    addresses of these families."""
    description = {
        "Image": image,
        "Entrypoint": [],
        "Cmd": ["sh", "-c", _SET, ruleset, *families],
        "User": "0:0",
        "Labels": {INSTALLATION: settings.INSTALLATION_ID},
        "HostConfig": {
            "NetworkMode": "host",
            "UsernsMode": "host",  # where the engine gives containers other users, these have no rights there
            "CapDrop": ["ALL"],
            "CapAdd": ["NET_ADMIN"],
            "SecurityOpt": ["no-new-privileges"],
            "ReadonlyRootfs": True,
        },
    }
    made = None
    try:
        made = client.create_container_from_config(description, None)["Id"]
        client.start(made)
        code = client.wait(made, timeout=RULES_SECONDS)["StatusCode"]
        said = client.logs(made).decode(errors="replace")
    except APIError as error:
        return engine.explanation(error)
    finally:
        if made:
            client.remove_container(made, force=True, v=True)
    errors = [line for line in said.splitlines() if "rror" in line]
    return (errors or [f"nft ended with {code}"])[0] if code else ""
