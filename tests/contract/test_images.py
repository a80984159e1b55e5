"""What the Docker backend promises for images that misbehave, or that a user named."""

import time
import uuid
from collections.abc import Iterator
from uuid import UUID

import pytest
from pytest_django import Settings

from sandboxes.backends.base import SandboxSpec
from sandboxes.backends.docker import deriving, images
from sandboxes.backends.docker import engine as connection
from sandboxes.backends.docker.backend import DockerBackend
from sandboxes.errors import StartFailed
from tests.sandboxes import engine, machine
from tests.sandboxes.registry import registry

pytestmark = pytest.mark.service("docker")


@pytest.fixture
def sandbox_id(docker_installation: str) -> Iterator[UUID]:
    made = uuid.uuid4()
    yield made
    DockerBackend().remove(made)


def start_failure(backend: DockerBackend, sandbox_id: UUID, spec: SandboxSpec) -> StartFailed:
    with pytest.raises(StartFailed) as failed:
        backend.start(sandbox_id, spec, lambda *_: None)
    assert not list(backend.lives())
    return failed.value


def test_one_that_never_gets_ready_is_ended_and_its_log_is_told(sandbox_id: UUID, settings: Settings) -> None:
    settings.SANDBOX_START_TIMEOUT = 2
    with engine.image(*engine.server("echo still at it; exec sleep 1000")) as name:
        failure = start_failure(DockerBackend(name), sandbox_id, SandboxSpec())
        assert failure.phase == "boot"
        assert "not ready within 2 s" in str(failure)
        assert "still at it" in str(failure)
        DockerBackend().remove(sandbox_id)


def test_one_that_dies_at_boot_is_told_with_its_log_which_is_kept(sandbox_id: UUID) -> None:
    with engine.image(*engine.server("echo the disk is on fire >&2; exit 3")) as name:
        failure = start_failure(DockerBackend(name), sandbox_id, SandboxSpec())
        assert failure.phase == "boot"
        assert "ended with 3" in str(failure)
        assert "the disk is on fire" in str(failure)
        assert "the disk is on fire" in DockerBackend().logs(sandbox_id)
        DockerBackend().remove(sandbox_id)
    assert DockerBackend().logs(sandbox_id) == ""


NEVER_TO_THE_END = """
    with contextlib.suppress(OSError):
        while True: talk.send(b" "); time.sleep(1)
"""
WITH_WHAT_NO_ROW_HOLDS = """
    talk.send(json.dumps({"boot_id": chr(0)}).encode()); talk.close()
"""


@pytest.mark.parametrize("answer", [NEVER_TO_THE_END, WITH_WHAT_NO_ROW_HOLDS])
def test_one_that_answers_with_nonsense_is_ended_in_time(
    sandbox_id: UUID, settings: Settings, answer: str
) -> None:
    settings.SANDBOX_START_TIMEOUT = 4
    program = f"""#!/usr/bin/python3
import contextlib, json, socket, time
server = socket.create_server(("", 47100))
while True:
    talk = server.accept()[0]; talk.recv(9999)
    talk.send(b"HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\n\\r\\n")
{answer}
"""
    with engine.image(engine.file("/srv/answer", program), *engine.server("exec /srv/answer")) as name:
        begun = time.monotonic()
        assert "not ready within 4 s" in str(start_failure(DockerBackend(name), sandbox_id, SandboxSpec()))
        assert time.monotonic() - begun < 30
        DockerBackend().remove(sandbox_id)


def test_one_that_answers_and_then_dies_is_found_dead_and_its_files_are_there_for_the_next_life(
    sandbox_id: UUID,
) -> None:
    with engine.image(
        *engine.server(
            'timeout -s KILL 4 /usr/bin/env -i HOME=/workspace /opt/openhands/venv/bin/true-python "$@"; exit 9'
        ),
        "RUN ln -s /usr/bin/python3 /opt/openhands/venv/bin/true-python",
    ) as name:
        backend = DockerBackend(name)
        started = backend.start(sandbox_id, SandboxSpec(), lambda *_: None)
        machine.run(machine.reachable(sandbox_id, started), "echo still here > kept.txt")
        deadline = time.monotonic() + 20
        while (ended := backend.poll(sandbox_id, started.handle)) is None:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert ended == "The sandbox's container ended with 9."
        assert not list(backend.lives())
        again = DockerBackend().start(sandbox_id, SandboxSpec(), lambda *_: None)
    where = machine.reachable(sandbox_id, again)
    assert machine.printed(where, "cat kept.txt").startswith("still here")


def test_one_that_does_not_exist_is_said_to(sandbox_id: UUID) -> None:
    spec = SandboxSpec(image="localhost:9/nobody/nothing:1")
    failure = start_failure(DockerBackend(), sandbox_id, spec)
    assert failure.phase == "image"
    assert "localhost:9/nobody/nothing:1 is not on this machine and could not be pulled" in str(failure)


@pytest.mark.enable_socket
def test_one_that_is_not_here_is_pulled_and_how_far_that_is_is_told(
    sandbox_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "TELL_SECONDS", 0)
    told: list[tuple[str, str]] = []
    with registry(megabytes=4) as name:
        try:
            with pytest.raises(StartFailed, match=r"cannot be a sandbox\. Its shell does not start"):
                DockerBackend().start(
                    sandbox_id, SandboxSpec(image=name), lambda phase, detail: told.append((phase, detail))
                )
        finally:
            with connection.talking() as client:
                client.remove_image(name)
    assert {phase for phase, _ in told} == {"image"}
    details = [detail for _, detail in told]
    assert details[0] == f"Pulling {name}"
    assert any(f"Pulling {name}: {done} of 4 MB" in details for done in (1, 2, 3)), details
    assert details[-1].startswith(f"Building on {name}")


def test_one_without_python_is_told_what_it_lacks(sandbox_id: UUID) -> None:
    failure = start_failure(DockerBackend(), sandbox_id, SandboxSpec(image=engine.BASE))
    assert failure.phase == "image"
    assert "the action server needs Python 3.9 or later in it" in str(failure)


def test_a_users_image_gets_the_action_server_once_and_keeps_what_is_its_own(sandbox_id: UUID) -> None:
    own = [
        "RUN rm -rf /opt/openhands /workspace && sed -i /sandbox/d /etc/passwd /etc/group",
        "RUN useradd --uid 1000 node && echo of the user > /etc/motto",
        "ENV FLAVOUR=vanilla",
        "USER node",
        'ENTRYPOINT ["false"]',
    ]
    told: list[tuple[str, str]] = []
    with engine.image(*own) as name:
        started = DockerBackend().start(
            sandbox_id, SandboxSpec(image=name), lambda *phase: told.append(phase)
        )
        where = machine.reachable(sandbox_id, started)
        assert machine.printed(where, "cat /etc/motto; echo $FLAVOUR; id -un; pwd").split("\n")[:4] == [
            "of the user",
            "vanilla",
            "node",
            "/workspace",
        ]
        assert ("image", f"Building on {name}") in told
        told.clear()
        DockerBackend().start(sandbox_id, SandboxSpec(image=name), lambda *phase: told.append(phase))
        assert told[0] == ("image", f"{name} is there")
        DockerBackend().remove(sandbox_id)
        engine.remove_derived(name)


@pytest.mark.enable_socket
def test_what_a_users_image_brings_gets_no_network_and_no_rights_while_it_is_made_a_sandbox(
    sandbox_id: UUID,
) -> None:
    proof = """
import socket
try: socket.create_connection(("198.51.100.7", 80), 2); out = "network"
except OSError as error: out = error.strerror
rights = [line.split()[1] for line in open("/proc/self/status") if line.startswith(("CapEff", "NoNewPr"))]
print(out, *rights)
"""
    shell = """#!/bin/true-sh
/usr/bin/python3 -I /proof.py >> /proof
exec /bin/true-sh "$@"
"""
    own = [
        "RUN rm -rf /opt/openhands && cp /bin/sh /bin/true-sh",
        engine.file("/proof.py", proof),
        engine.file("/bin/sh.new", shell),
        "RUN mv /bin/sh.new /bin/sh",
        "ONBUILD RUN echo built > /onbuild",
    ]
    with engine.image(*own) as name:
        started = DockerBackend().start(sandbox_id, SandboxSpec(image=name), lambda *_: None)
        where = machine.reachable(sandbox_id, started)
        seen = machine.printed(where, "cat /proof; ls /onbuild")
        # chown, dac_override and fowner
        assert seen.startswith("Network is unreachable 000000000000000b 1\n"), seen
        assert "No such file" in seen
        DockerBackend().remove(sandbox_id)
        engine.remove_derived(name)


def test_an_image_that_is_never_done_with_it_is_given_up_and_leaves_nothing(
    sandbox_id: UUID, docker_installation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deriving, "INSTALL_SECONDS", 2)
    hang = [
        "RUN rm -rf /opt/openhands /usr/bin/python3",
        engine.file("/usr/bin/python3", "#!/bin/sh\nexec sleep 999\n"),
    ]
    with engine.image(*hang) as name:
        failure = start_failure(DockerBackend(), sandbox_id, SandboxSpec(image=name))
    assert failure.phase == "image"
    assert f"The image {name} cannot be a sandbox. The action server is not on it after 2 s." in str(failure)
    assert engine.belongings(docker_installation) == []


def test_what_a_worker_left_that_was_killed_while_it_made_an_image_is_not_in_the_way(
    sandbox_id: UUID, docker_installation: str
) -> None:
    with engine.image("RUN rm -rf /opt/openhands") as name:
        with connection.talking() as client:
            derived = images.derived_image(client.inspect_image(name)["Id"])
            for end in ("making", "source"):
                left = f"{docker_installation}-{derived.replace(':', '-')}-{end}"
                client.create_container_from_config({"Image": images.own_image(), "Cmd": ["true"]}, left)
        DockerBackend().start(sandbox_id, SandboxSpec(image=name), lambda *_: None)
        DockerBackend().remove(sandbox_id)
        with connection.talking() as client:
            assert client.inspect_image(derived)["Config"]["Labels"]["openhands.installation"] == ""
        engine.remove_derived(name)
    assert engine.belongings(docker_installation) == []


def test_without_their_compiled_parts_the_libraries_serve_any_python(sandbox_id: UUID) -> None:
    started = DockerBackend().start(sandbox_id, SandboxSpec(), lambda *_: None)
    where = machine.reachable(sandbox_id, started)
    program = "import sys; sys.path.insert(0, '/tmp/bare'); import sandboxes.action_server.__main__, aiohttp; print(aiohttp.__file__)"
    command = f'cp -r /opt/openhands/libraries /tmp/bare && find /tmp/bare -name "*.so" -delete && python3 -ISW error -c "{program}"'
    assert machine.printed(where, command).startswith("/tmp/bare/aiohttp/")


def test_the_default_image_has_the_tools_of_the_trade_and_no_root(sandbox_id: UUID) -> None:
    started = DockerBackend().start(sandbox_id, SandboxSpec(), lambda *_: None)
    where = machine.reachable(sandbox_id, started)
    for tool in ("git", "python3", "pip3", "node", "npm", "gcc", "make", "curl", "jq", "rg"):
        result = machine.run(where, f"{tool} --version")
        assert result.meta["exit_code"] == 0, tool
    assert machine.printed(where, "id -u; echo $HOME").split() == ["1000", "/workspace"]
    assert started.isolation.startswith("docker, host's ports closed")


def test_a_tag_is_a_digest_of_what_the_image_is_made_from() -> None:
    repository, _, tag = images.own_image().partition(":")
    assert repository == "openhands-sandbox"
    assert len(tag) == 12
