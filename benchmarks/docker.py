"""Docker sandboxes: how soon one answers, beside a bare container with an HTTP server, and its steps beside a process's."""

import http.client
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.steps import step_times
from tests.journeys.installation import Installation, events_of, wait_for_state

RUNS = 30
STEPS = 100


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "openhands_site.settings")
        os.environ.setdefault("OPENHANDS_INSTALLATION_ID", f"bench-{uuid.uuid4().hex[:8]}")
        os.environ["OPENHANDS_HOME"] = f"{folder}/home"
        import django

        django.setup()
        from sandboxes.backends.docker.backend import DockerBackend
        from sandboxes.backends.docker.uninstalling import uninstall
        from sandboxes.errors import SandboxError

        try:
            DockerBackend.prepare()
        except SandboxError as error:
            print(f"Docker is left out: {error}", file=sys.stderr)
            return []
        try:
            return [*_cold_starts(), *_steps(Path(folder))]
        finally:
            uninstall()


def _cold_starts() -> list[Figure]:
    """Turn by turn, so that both meet the same machine."""
    bare, ours = [], []
    for _ in range(RUNS):
        bare.append(_timed(_bare_container))
        ours.append(_timed(_sandbox))
    return [
        Figure("docker: bare container until its HTTP server answers", "ms", bare),
        Figure("docker: sandbox until its first command is answered", "ms", ours),
    ]


def _timed(start: Callable[[], Callable[[], None]]) -> float:
    """Milliseconds that it takes; what it returns cleans up."""
    begun = time.perf_counter()
    clean_up = start()
    taken = (time.perf_counter() - begun) * 1000
    clean_up()
    return taken


def _bare_container() -> Callable[[], None]:
    from sandboxes.backends.docker import engine, images

    with engine.talking() as client:
        description = {
            "Image": images.own_image(),
            "Cmd": ["python3", "-m", "http.server", "8000"],
            "ExposedPorts": {"8000/tcp": {}},
            "HostConfig": {"PortBindings": {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}},
        }
        made = client.create_container_from_config(description, None)["Id"]
        client.start(made)
        port = int(client.inspect_container(made)["NetworkSettings"]["Ports"]["8000/tcp"][0]["HostPort"])
    while not _answers(port):
        time.sleep(0.005)

    def clean_up() -> None:
        with engine.talking() as client:
            client.remove_container(made, force=True, v=True)

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
    from sandboxes.backends.docker.backend import DockerBackend
    from sandboxes.starting import configured_spec
    from tests.sandboxes import machine

    sandbox_id = uuid.uuid4()
    started = DockerBackend().start(sandbox_id, configured_spec(), lambda *_: None)
    assert machine.run(machine.reachable(sandbox_id, started), "true").meta["exit_code"] == 0
    return lambda: DockerBackend().remove(sandbox_id)


def _steps(folder: Path) -> list[Figure]:
    """Whole steps a second, as `steps` measures them, on either backend."""
    task = "\n".join(f"```bash\necho {number}\n```" for number in range(STEPS))
    figures = []
    for backend in ("process", "docker"):
        with (
            Installation(
                folder / backend,
                SANDBOX_BACKEND=backend,
                OPENHANDS_INSTALLATION_ID=os.environ["OPENHANDS_INSTALLATION_ID"],
            ) as installation,
            installation.api() as api,
        ):
            made = api.post("/conversations", json={"initial_message": task}).json()
            wait_for_state(api, made["id"], "finished", "error", "stuck", seconds=300)
            times = step_times(events_of(api, made["id"]))
            figures.append(
                Figure(f"steps of {STEPS}: {backend}", "steps a second", [1000 / taken for taken in times])
            )
    return figures
