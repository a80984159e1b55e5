"""Places that this machine routes to: they stand in a network namespace of their own. Takes root."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PORTS = (8080, 53)
_DISABLED = Path("/proc/sys/net/ipv6/conf/all/disable_ipv6")
HAS_IPV6 = _DISABLED.exists() and _DISABLED.read_text().strip() == "0"


@contextmanager
def place_behind_this_machine(*addresses: str) -> Iterator[None]:
    """A server at these addresses, which are of one family, as a cloud's metadata is one: it answers at PORTS."""
    is_6 = ":" in addresses[0]
    family = "-6" if is_6 else "-4"
    network, length, whole = ("fd77::", 64, 128) if is_6 else ("198.18.77.", 24, 32)
    place = f"oh-test-{os.getpid()}"
    here, there = (f"oh{os.getpid()}{end}" for end in "ab")
    servers: list[subprocess.Popen[bytes]] = []
    _ip("netns", "add", place)
    try:
        _ip("link", "add", here, "type", "veth", "peer", "name", there, "netns", place)
        for device, end, inside in ((here, 1, []), (there, 2, ["-n", place])):
            at_once = ["nodad"] if is_6 else []  # nobody else can have it
            _ip(*inside, family, "address", "add", f"{network}{end}/{length}", "dev", device, *at_once)
            _ip(*inside, "link", "set", device, "up")
        _ip("-n", place, family, "route", "add", "default", "via", f"{network}1")
        for address in addresses:
            _ip("-n", place, family, "address", "add", f"{address}/{whole}", "dev", there)
            _ip(family, "route", "add", f"{address}/{whole}", "via", f"{network}2")
        for port in PORTS:
            serve = ["python3", "-m", "http.server", str(port), "--bind", "::" if is_6 else "0.0.0.0"]
            servers.append(
                subprocess.Popen(["ip", "netns", "exec", place, *serve], stderr=subprocess.DEVNULL)
            )
        yield
    finally:
        for server in servers:
            server.kill()
            server.wait()
        subprocess.run(["ip", "link", "delete", here], check=False, capture_output=True)
        _ip("netns", "delete", place)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
