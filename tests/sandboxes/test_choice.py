import os
import subprocess
import sys

import pytest
from pytest_django import Settings

from sandboxes import choice
from sandboxes.choice import Choice

PROGRAM = "import django; django.setup(); from sandboxes import choice; print(choice.chosen())"


def chosen(**environment: str) -> str:
    """What a process of its own chooses by itself."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
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


@pytest.mark.service("docker")
def test_with_an_engine_and_the_image_sandboxes_are_containers() -> None:
    assert chosen() == "Choice(backend='docker', reason='')"
