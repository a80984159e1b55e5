import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pytest_django import Settings

from sandboxes import choice
from sandboxes.choice import Choice
from tests.sandboxes.engine_double import engine_double

SET_UP = "import django; django.setup(); "
PROGRAM = "from sandboxes import choice; print(choice.chosen())"
UP = "from openhands_site.management.commands import up; print([up.environment()['SANDBOX_BACKEND'] for _ in '12'])"


def chosen(program: str = PROGRAM, **environment: str) -> str:
    """What a process of its own chooses by itself."""
    done = subprocess.run(
        [sys.executable, "-c", SET_UP + program],
        env={**os.environ, "SANDBOX_BACKEND": "auto", **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout.strip()


def test_a_backend_that_is_named_is_taken_as_it_is(settings: Settings) -> None:
    settings.SANDBOX_BACKEND = "docker"
    assert choice.chosen() == Choice("docker")


def test_without_an_engine_sandboxes_are_processes_and_it_says_why() -> None:
    said = chosen(DOCKER_HOST="unix:///nonexistent/docker.sock")
    assert said.startswith(
        "Choice(backend='process', reason='Docker is not used: The Docker engine does not answer"
    )


def test_an_engine_without_the_image_is_not_used_and_nothing_is_downloaded_for_it(tmp_path: Path) -> None:
    with engine_double(tmp_path, answers={"/images/json": []}) as double:
        said = chosen(DOCKER_HOST=double.address)
    assert said.startswith("Choice(backend='process', reason='Docker is not used: The image of sandboxes, ")
    assert said.endswith("is not there: run `make sandbox-image`.')")
    assert {asked.partition(" ")[0] for asked in double.asked} == {"GET"}


def test_an_engine_that_is_frozen_is_not_waited_for(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as frozen:
        frozen.bind(f"{tmp_path}/engine.sock")
        frozen.listen()
        begun = time.monotonic()
        said = chosen(DOCKER_HOST=f"unix://{tmp_path}/engine.sock")
        assert time.monotonic() - begun < 45
    assert said.startswith(
        "Choice(backend='process', reason='Docker is not used: The Docker engine does not answer (it says"
    )


def test_an_engine_elsewhere_is_not_used() -> None:
    said = chosen(DOCKER_HOST="tcp://engine.example:2376", DOCKER_TLS_VERIFY="1")
    assert said.startswith(
        "Choice(backend='process', reason='Docker is not used: DOCKER_HOST is tcp://engine"
    )


def test_up_finds_it_out_once_and_tells_the_processes_that_it_starts(tmp_path: Path) -> None:
    with engine_double(tmp_path, answers={"/images/json": []}) as double:
        assert chosen(UP, DOCKER_HOST=double.address) == "['process', 'process']"
        assert double.asked.count("GET /version") == 1


@pytest.mark.service("docker")
def test_with_an_engine_and_the_image_sandboxes_are_containers() -> None:
    assert chosen() == "Choice(backend='docker', reason='')"
