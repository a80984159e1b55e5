"""Engines of other versions, elsewhere, or in trouble."""

from pathlib import Path

import pytest
from docker.constants import DEFAULT_DOCKER_API_VERSION
from pytest_django import Settings

from sandboxes.backends.docker import engine
from sandboxes.errors import BackendSilent, SandboxError
from tests.sandboxes.engine_double import engine_double


@pytest.mark.parametrize(
    ("oldest", "newest", "spoken"),
    [
        ("1.12", "1.41", "1.41"),  # Debian's
        ("1.24", DEFAULT_DOCKER_API_VERSION, DEFAULT_DOCKER_API_VERSION),
        ("1.44", "1.54", DEFAULT_DOCKER_API_VERSION),
        ("1.60", "1.70", "1.60"),
    ],
)
def test_we_speak_the_newest_version_that_both_sides_know_and_never_one_the_engine_refuses(
    tmp_path: Path, settings: Settings, oldest: str, newest: str, spoken: str
) -> None:
    with engine_double(tmp_path, oldest=oldest, version=newest, answers={"/info": {"ID": "it"}}) as double:
        settings.DOCKER_HOST = double.address
        assert engine.information() == {"ID": "it"}
        assert double.asked == ["GET /version", f"GET /v{spoken}/info"]


def test_an_engine_that_was_replaced_by_a_newer_one_is_asked_anew(tmp_path: Path, settings: Settings) -> None:
    with engine_double(tmp_path, answers={"/networks": []}) as double:
        settings.DOCKER_HOST = double.address
        with engine.talking() as client:
            assert client.networks() == []
        double.oldest, double.version = "1.44", "1.52"
        with pytest.raises(BackendSilent, match="another version"), engine.talking() as client:
            client.networks()
        with engine.talking() as client:
            assert client.networks() == []


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:2375", "ssh://me@there.example", "nonsense"])
def test_an_engine_that_is_not_at_a_socket_of_this_machine_is_refused_with_what_to_set(
    settings: Settings, address: str
) -> None:
    settings.DOCKER_HOST = address
    with (
        pytest.raises(SandboxError, match=f"DOCKER_HOST is {address}.*leave DOCKER_HOST out"),
        engine.talking(),
    ):
        pass
