"""From inside a Docker sandbox: each test is a way out, tried."""

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.conf import settings as configured
from pytest_django import Settings

from sandboxes.backends.docker.backend import DockerBackend
from sandboxes.backends.docker.containers import PORT, container_name
from sandboxes.client import Reachable
from tests.sandboxes import engine, machine
from tests.sandboxes.backends.docker.conftest import Begin
from tests.sandboxes.routing import HAS_IPV6, place_behind_this_machine

pytestmark = pytest.mark.service("docker")
METADATA = ("169.254.169.254", "100.100.100.200", "168.63.129.16")
IP_FREEBIND = 15  # which Python has no name for before 3.14
METADATA_6 = "fd00:ec2::254"
ELSEWHERE_6 = "2001:db8::7"
ELSEWHERE = "198.51.100.7"  # nobody's, by convention


def container(where: Reachable) -> str:
    return container_name(configured.INSTALLATION_ID, where.sandbox_id)


def connects(host: str, port: int) -> list[str]:
    """A program that prints `in` where a connection comes about, else why not."""
    program = (
        "import socket\n"
        f"try: socket.create_connection(({host!r}, {port}), 2); print('in')\n"
        "except OSError as error: print('out', error)\n"
    )
    return ["python3", "-c", program]


def can_reach(where: Reachable, host: str, port: int) -> bool:
    program = connects(host, port)[2].replace("\n", "\\n").replace("'", "\\x27")
    said = machine.printed(where, f"python3 -c \"$(printf '{program}')\"")
    assert said.startswith(("in", "out")), said
    return said.startswith("in")


@contextmanager
def listener(host: str, port: int = 0) -> Iterator[int]:
    """A service of this machine."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
        # A bridge that has just been made may not be sure yet that nobody else has its address.
        server.setsockopt(socket.SOL_IP, IP_FREEBIND, 1)
        server.bind((host, port))
        server.listen(16)
        yield server.getsockname()[1]


def gateway(where: Reachable) -> str:
    return engine.address(container(where), "Gateway")


def firewall(rules: str) -> tuple[int, str]:
    """What `nft` of this machine ends with and prints."""
    return engine.run(["nft", rules], user="0:0", NetworkMode="host", CapAdd=["NET_ADMIN"])


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass in time"


def own_address() -> str:
    """An address of this machine that is not the loopback's."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((ELSEWHERE, 9))
        return str(probe.getsockname()[0])


def test_the_engines_socket_is_not_there(begin: Begin) -> None:
    where = begin()
    assert (
        machine.printed(where, "find / -xdev -name '*docker*.sock*' 2>/dev/null; true").split("\n")[0].strip()
        == ""
    )
    assert (
        machine.run(where, "curl -sS --unix-socket /var/run/docker.sock http://engine/info").meta["exit_code"]
        != 0
    )


def test_this_machines_files_are_not_there(begin: Begin, home: Path) -> None:
    secret = home / "secret_keys"
    secret.write_text("the secret key")
    where = begin()
    for path in (
        secret,
        Path("/proc/1/root") / secret.relative_to("/"),
        Path(f"/proc/{os.getpid()}/environ"),
    ):
        assert machine.run(where, f"cat {path}").meta["exit_code"] == 1
    assert machine.run(where, "cat /etc/shadow").meta["exit_code"] == 1
    folders = ("/workspace", "/tmp", "/opt", "/etc")
    assert machine.files_with(where, "the secret key", *folders) == []
    # The probe can tell.
    machine.run(where, f"echo {machine.quoted('the secret key')} > planted")
    assert machine.files_with(where, "the secret key", *folders) == ["/workspace/planted"]
    disks = machine.printed(where, "cat /dev/vda /dev/sda /dev/nvme0n1 2>&1 | head -c 300")
    assert disks.count("No such file") == 3


@pytest.mark.enable_socket
def test_a_neighbours_port_is_out_of_reach_by_every_address(begin: Begin) -> None:
    neighbour, where = begin(), begin()
    address, published = engine.address(container(neighbour)), int(neighbour.url.rpartition(":")[2])
    assert engine.run(connects("127.0.0.1", published), NetworkMode="host")[1].startswith("in")
    assert not can_reach(where, address, PORT)
    for host in (gateway(where), own_address(), "127.0.0.1"):
        assert not can_reach(where, host, published)
    assert can_reach(where, "127.0.0.1", PORT)  # its own: the probe can tell


def test_a_neighbours_key_and_files_are_nowhere(begin: Begin) -> None:
    neighbour, where = begin(), begin()
    machine.run(neighbour, "echo the plan > plan.txt")
    assert neighbour.key not in machine.printed(
        where, "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline | tr '\\0' ' '; env; set"
    )
    assert "plan.txt" not in machine.printed(
        where, "ls -R /workspace /opt/openhands/data /tmp /var/tmp /dev/shm"
    )
    assert "plan.txt" in machine.printed(neighbour, "ls")


def test_the_action_servers_own_memory_is_closed(begin: Begin) -> None:
    where = begin()
    for file in ("mem", "environ", "fd/0", "maps"):
        assert machine.run(where, f"cat /proc/1/{file}").meta["exit_code"] == 1, file


@pytest.mark.enable_socket
def test_redis_database_and_web_are_out_of_reach_even_where_they_listen_everywhere(begin: Begin) -> None:
    where = begin()
    with listener("0.0.0.0") as everywhere, listener("127.0.0.1") as loopback:
        # A container that our rules are not for gets through, so it is they that keep the sandbox out.
        bridge = engine.run(["sh", "-c", "ip route | cut -d' ' -f3 | head -n 1"])[1].strip()
        assert engine.run(connects(bridge, everywhere))[1].startswith("in")
        for host in (gateway(where), own_address(), bridge, "127.0.0.1"):
            assert not can_reach(where, host, everywhere), host
        assert not can_reach(where, gateway(where), loopback)


@pytest.mark.enable_socket
def test_a_port_that_another_container_publishes_on_this_machine_is_out_of_reach(begin: Begin) -> None:
    where = begin()
    with engine.running(
        ["python3", "-m", "http.server", "8000"],
        PortBindings={"8000/tcp": [{"HostIp": "0.0.0.0", "HostPort": ""}]},
    ) as other:
        port = engine.published(other, "8000/tcp")
        until(lambda: engine.run(connects("127.0.0.1", port), NetworkMode="host")[1].startswith("in"))
        for host, at in ((gateway(where), port), (own_address(), port), (engine.address(other), 8000)):
            assert not can_reach(where, host, at), host


@pytest.mark.enable_socket
@pytest.mark.service("namespaces")
def test_the_metadata_address_is_out_of_reach_and_the_rest_of_the_world_is_not(begin: Begin) -> None:
    where = begin()
    with place_behind_this_machine(*METADATA, ELSEWHERE):
        until(lambda: can_reach(where, ELSEWHERE, 8080))
        for address in METADATA:
            # From a container without our rules.
            assert engine.run(connects(address, 8080))[1].startswith("in"), address
            assert not can_reach(where, address, 8080), address


@pytest.mark.enable_socket
@pytest.mark.service("namespaces")
def test_a_port_of_this_machine_that_its_kernel_hands_on_is_out_of_reach(begin: Begin) -> None:
    """As an engine publishes ports that has no proxy of its own."""
    where = begin()
    table = f"oh-test-{os.getpid()}"
    rule = "tcp dport 8079 dnat ip to 198.18.77.2:8080"
    rules = f"table ip {table} {{\nchain c {{ type nat hook prerouting priority -110;\n{rule}\n}}\n}}\n"
    with place_behind_this_machine(ELSEWHERE):
        until(lambda: can_reach(where, ELSEWHERE, 8080))
        assert firewall(rules)[0] == 0
        try:
            assert engine.run(connects(own_address(), 8079))[1].startswith("in")
            assert not can_reach(where, own_address(), 8079)
        finally:
            firewall(f"delete table ip {table}")


@pytest.mark.enable_socket
@pytest.mark.service("namespaces")
@pytest.mark.skipif(not HAS_IPV6, reason="this machine has no IPv6")
def test_by_ipv6_the_same_is_out_of_reach(network_with_ipv6: None, begin: Begin) -> None:
    neighbour, where = begin(), begin()
    here = engine.address(container(where), "IPv6Gateway")
    with place_behind_this_machine(METADATA_6, ELSEWHERE_6), listener(here) as port, listener(here, 53):
        until(lambda: can_reach(where, ELSEWHERE_6, 8080))
        assert can_reach(where, here, 53)
        assert not can_reach(where, here, port)
        assert not can_reach(where, METADATA_6, 8080)
        assert can_reach(where, METADATA_6, 53)
        # The action server listens by IPv4 alone; who is not kept out is refused as quickly, so a listener it is.
        machine.run(neighbour, "python3 -m http.server 8080 --bind :: >/dev/null 2>&1 &")
        address = engine.address(container(neighbour), "GlobalIPv6Address")
        until(lambda: can_reach(neighbour, address, 8080))
        assert not can_reach(where, address, 8080)


@pytest.mark.enable_socket
@pytest.mark.service("namespaces")
def test_who_resolves_this_machines_names_does_so_for_sandboxes(begin: Begin) -> None:
    where = begin()
    # A cloud's metadata is its name server, too; another machine's is itself.
    with place_behind_this_machine(METADATA[0]), listener(gateway(where), 53):
        until(lambda: can_reach(where, METADATA[0], 53))
        assert can_reach(where, gateway(where), 53)


def test_a_fork_bomb_stays_within_its_limit_and_the_sandbox_answers_after_it(begin: Begin) -> None:
    neighbour, where = begin(), begin(processes=80)
    assert "fork" in machine.printed(
        where, "sh -c 'for i in $(seq 300); do sleep 30 & done; true' 2>&1; pkill sleep"
    )
    assert machine.printed(where, "echo here").startswith("here")
    assert machine.printed(neighbour, "echo here").startswith("here")


def test_memory_that_is_filled_costs_the_command_and_not_the_sandbox(begin: Begin) -> None:
    where = begin(memory_mb=256)
    modest, hungry = (f"head -c {size}m /dev/zero | tail -c {size}m | wc -c" for size in (50, 900))
    assert str(50 * 2**20) in machine.printed(where, modest)
    assert str(900 * 2**20) not in machine.printed(where, hungry)
    assert DockerBackend().poll(where.sandbox_id, next(iter(DockerBackend().lives())).handle) is None
    assert machine.printed(where, "echo here").startswith("here")


def test_only_the_workspace_and_temporary_folders_can_be_written_and_these_have_a_size(begin: Begin) -> None:
    where = begin(memory_mb=256)
    full = machine.printed(
        where, "(head -c 400m /dev/zero > /tmp/large) 2>&1; stat -c %s /tmp/large; rm /tmp/large"
    )
    assert "No space left" in full
    for folder in ("/", "/usr", "/etc", "/var", "/opt/openhands", "/home", "/root", "/run"):
        assert machine.run(where, f"touch {folder}/x").meta["exit_code"] == 1, folder
    assert machine.run(where, "touch /workspace/x /tmp/x /var/tmp/x /dev/shm/x").meta["exit_code"] == 0


def test_a_setuid_program_gives_no_rights(begin: Begin) -> None:
    with engine.image("RUN cp /usr/bin/id /usr/bin/id-of-root && chmod 4755 /usr/bin/id-of-root") as name:
        where = begin(name)
        assert machine.printed(where, "stat -c %A /usr/bin/id-of-root; id-of-root -u").split()[:2] == [
            "-rwsr-xr-x",
            "1000",
        ]
        status = machine.printed(where, "grep -E '^(Cap|NoNew)' /proc/self/status")
        assert status.count("0000000000000000") == 5
        assert "NoNewPrivs:\t1" in status
        DockerBackend().remove(where.sandbox_id)


def test_the_default_image_has_no_setuid_program(begin: Begin) -> None:
    found = machine.printed(begin(), "find / -xdev -perm /6000 -type f 2>/dev/null; echo none")
    assert found.startswith("none")


@pytest.mark.parametrize("kind", ["socket.AF_INET, socket.SOCK_RAW, 1", "socket.AF_PACKET, socket.SOCK_RAW"])
def test_raw_sockets_are_refused(begin: Begin, kind: str) -> None:
    printed = machine.printed(begin(), f"python3 -c 'import socket; socket.socket({kind})' 2>&1")
    assert "PermissionError" in printed


def test_nothing_can_be_mounted_and_no_namespace_be_made(begin: Begin) -> None:
    where = begin()
    for command in (
        "mount -t tmpfs none /tmp",
        "mount --bind /tmp /workspace",
        "unshare --user --map-root-user mount -t tmpfs none /tmp",
        "unshare --net true",
        "mknod /tmp/disk b 8 0",
        "nsenter --target 1 --mount true",
        "chroot / true",
    ):
        result = machine.run(where, command)
        assert result.meta["exit_code"] not in (0, 127), command
        refused = ("not permitted", "ermission denied", "must be superuser")
        assert any(words in result.content[0].text for words in refused), command


def test_without_rules_the_isolation_says_that_the_machines_ports_are_open(
    begin: Begin, settings: Settings
) -> None:
    settings.SANDBOX_BLOCKED_NETWORKS = ["no network"]  # which no firewall takes
    begin()
    assert DockerBackend().isolation == "docker, host's ports open"
