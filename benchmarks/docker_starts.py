"""How soon a Docker sandbox answers, beside a bare container with an HTTP server. An order of `inside`, in the environment
of an installation that is its own."""

import http.client
import time
import uuid
from collections.abc import Callable

from openhands_site import async_thread
from sandboxes import client
from sandboxes.backends.docker import engine, images
from sandboxes.backends.docker.backend import DockerBackend
from sandboxes.backends.docker.uninstalling import uninstall
from sandboxes.errors import SandboxError
from sandboxes.protocol import ActionRequest
from sandboxes.starting import configured_spec


def measure(runs: int) -> object:
    """The milliseconds of each, or a sentence on why there are none."""
    try:
        DockerBackend.prepare()
    except SandboxError as error:
        return str(error)
    try:
        # Turn by turn, so that both meet the same machine.
        pairs = [(_timed(_bare_container), _timed(_sandbox)) for _ in range(runs)]
        return list(zip(*pairs, strict=True))
    finally:
        uninstall()


def _timed(start: Callable[[], Callable[[], None]]) -> float:
    """Milliseconds that it takes; what it returns cleans up."""
    begun = time.perf_counter()
    clean_up = start()
    taken = (time.perf_counter() - begun) * 1000
    clean_up()
    return taken


def _bare_container() -> Callable[[], None]:
    with engine.talking() as docker:
        description = {
            "Image": images.own_image(),
            "Cmd": ["python3", "-m", "http.server", "8000"],
            "ExposedPorts": {"8000/tcp": {}},
            "HostConfig": {"PortBindings": {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}},
        }
        made = docker.create_container_from_config(description, None)["Id"]
        docker.start(made)
        port = int(docker.inspect_container(made)["NetworkSettings"]["Ports"]["8000/tcp"][0]["HostPort"])
    while not _answers(port):
        time.sleep(0.005)

    def clean_up() -> None:
        with engine.talking() as docker:
            docker.remove_container(made, force=True, v=True)

    return clean_up


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _sandbox() -> Callable[[], None]:
    sandbox_id = uuid.uuid4()
    started = DockerBackend().start(sandbox_id, configured_spec(), lambda *_: None)
    reachable = client.Reachable(sandbox_id, started.url, started.key, started.boot_id)
    request = ActionRequest("benchmark", started.boot_id, 1, "terminal", {"command": "true"})
    result = async_thread.run(client.put_action(reachable, uuid.uuid4(), request)).result(60)
    assert result.meta["exit_code"] == 0, result
    return lambda: DockerBackend().remove(sandbox_id)
