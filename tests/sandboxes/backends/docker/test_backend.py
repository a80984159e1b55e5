"""What is particular to containers: their names and labels, whose they are, an engine that is away."""

import os
import subprocess
import sys
import uuid
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from accounts.models import User
from openhands_site.workers.models import Worker
from sandboxes import provisioning, reconcile, services, size_watch
from sandboxes.backends.base import SandboxSpec
from sandboxes.backends.docker import engine as connection
from sandboxes.backends.docker import images, leftovers
from sandboxes.backends.docker.backend import DockerBackend
from sandboxes.backends.docker.containers import INSTALLATION, volume_names
from sandboxes.errors import BackendSilent, StartFailed
from sandboxes.states import SandboxState
from tests.sandboxes import engine, machine
from tests.sandboxes.backends.docker.conftest import Begin

docker = pytest.mark.service("docker")
NOBODY = "unix:///nonexistent/docker.sock"


@docker
def test_a_container_that_was_killed_is_found_dead_with_how_it_ended(begin: Begin) -> None:
    where = begin()
    life = next(iter(DockerBackend().lives()))
    with connection.talking() as client:
        client.kill(life.handle["container"])
    assert DockerBackend().poll(where.sandbox_id, life.handle) == "The sandbox's container ended with 137."
    with connection.talking() as client:
        client.remove_container(life.handle["container"])
    assert DockerBackend().poll(where.sandbox_id, life.handle) == "The sandbox's container is gone."


@docker
def test_a_frozen_container_is_a_life_that_can_be_ended(begin: Begin) -> None:
    where = begin()
    (life,) = DockerBackend().lives()
    with connection.talking() as client:
        client.pause(life.handle["container"])
    assert list(DockerBackend().lives()) == [life]
    assert DockerBackend().poll(where.sandbox_id, life.handle) is None
    DockerBackend().stop(where.sandbox_id, life.handle)
    assert not list(DockerBackend().lives())


@docker
def test_a_sandbox_that_began_in_docker_goes_on_there_when_new_ones_are_processes(
    docker_installation: str, owner: User, worker: Worker, settings: Settings, told: list[tuple[str, ...]]
) -> None:
    sandbox = services.create_sandbox(owner=owner)
    said = []
    for backend in ("docker", "process"):
        settings.SANDBOX_BACKEND = backend
        services.request_start(sandbox_id=sandbox.pk)
        provisioning.bring(sandbox.pk, worker.pk)
        where = services.reach(sandbox_id=sandbox.pk)
        assert where
        said.append(machine.printed(where, "echo here >> lines; cat lines").split())
        runtime = sandbox.runtimes.get(ended_at=None)
        assert runtime.isolation.startswith("docker, ")
        reconcile.end_life(runtime, "The server was stopped.")
    assert said == [["here"], ["here", "here"]]
    services.request_removal(sandbox_id=sandbox.pk)
    provisioning.bring(sandbox.pk, worker.pk)


@docker
def test_what_nobody_needs_any_more_is_found_on_the_engine_and_removed(
    begin: Begin, docker_installation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, forgotten = begin().sandbox_id, begin().sandbox_id
    label = {INSTALLATION: docker_installation}
    with connection.talking() as client:
        description = {"Image": images.own_image(), "Cmd": ["true"], "Labels": label}
        helper = client.create_container_from_config(description, None)["Id"]
    long_ago = datetime.now(UTC) - timedelta(days=1)
    asked: list[set[UUID]] = []

    def known(sandbox_ids: Collection[UUID]) -> set[UUID]:
        asked.append(set(sandbox_ids))
        return {kept}

    assert DockerBackend().remove_leftovers(known, long_ago) == []  # all of it is too young
    monkeypatch.setattr(leftovers, "LEFT_AFTER_SECONDS", -60)
    assert DockerBackend().remove_leftovers(known, datetime.now(UTC) + timedelta(minutes=1)) == []
    removed = [f"container {helper}", f"sandbox {forgotten}"]
    assert DockerBackend().remove_leftovers(known, long_ago) == removed
    assert asked == [set(), set(), {kept, forgotten}]
    assert [life.sandbox_id for life in DockerBackend().lives()] == [kept]
    with connection.talking() as client:
        filters = {"label": f"{INSTALLATION}={docker_installation}"}
        volumes = [volume["Name"] for volume in client.volumes(filters=filters)["Volumes"]]
        assert len(client.containers(all=True, filters=filters)) == 1
    assert sorted(volumes) == sorted(volume_names(docker_installation, kept))


@docker
def test_a_volume_of_the_images_own_counts_for_the_size_and_goes_with_the_life(begin: Begin) -> None:
    with engine.image("RUN install -d -o 1000 /srv/database", "VOLUME /srv/database") as name:
        where = begin(name)
        machine.run(where, "head -c 3000000 /dev/zero > /srv/database/large")
        (life,) = DockerBackend().lives()
        volumes = [mount["Name"] for mount in engine.inspect(life.handle["container"])["Mounts"]]
        assert len(volumes) == 3
        assert DockerBackend().disk_bytes([where.sandbox_id])[where.sandbox_id] >= 3_000_000
        DockerBackend().remove(where.sandbox_id)
        with connection.talking() as client:
            assert not {volume["Name"] for volume in client.volumes()["Volumes"] or []} & set(volumes)


@docker
def test_another_process_finds_a_life_and_ends_it(begin: Begin, docker_installation: str) -> None:
    where = begin()
    program = (
        "import django; django.setup()\n"
        "from sandboxes.backends.docker.backend import DockerBackend\n"
        "for life in DockerBackend().lives():\n"
        "    print(life.sandbox_id)\n"
        "    DockerBackend().stop(life.sandbox_id, life.handle)\n"
    )
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "openhands_site.settings",
        "OPENHANDS_INSTALLATION_ID": docker_installation,
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == [str(where.sandbox_id)]
    assert not list(DockerBackend().lives())


@docker
def test_what_is_anothers_is_neither_listed_nor_removed(
    begin: Begin, settings: Settings, docker_installation: str
) -> None:
    where = begin()
    settings.INSTALLATION_ID = "somebody-else"
    assert not list(DockerBackend().lives())
    DockerBackend().remove(where.sandbox_id)
    settings.INSTALLATION_ID = docker_installation
    assert [life.sandbox_id for life in DockerBackend().lives()] == [where.sandbox_id]


@docker
def test_a_removal_leaves_no_container_and_no_volume(begin: Begin, docker_installation: str) -> None:
    where = begin()
    DockerBackend().remove(where.sandbox_id)
    with connection.talking() as client:
        label = {"label": f"openhands.sandbox={where.sandbox_id}"}
        assert client.containers(all=True, filters=label) == []
        assert not client.volumes(filters=label)["Volumes"]


@docker
def test_a_stop_lets_commands_end_and_keeps_only_the_volumes(begin: Begin, docker_installation: str) -> None:
    where = begin()
    machine.run(where, "(trap 'echo ended > said' TERM; sleep 60 & wait) & sleep 0.2")
    DockerBackend().stop(where.sandbox_id, next(iter(DockerBackend().lives())).handle)
    with connection.talking() as client:
        label = {"label": f"openhands.sandbox={where.sandbox_id}"}
        assert client.containers(all=True, filters=label) == []
        kept = [volume["Name"] for volume in client.volumes(filters=label)["Volumes"]]
    assert sorted(kept) == sorted(volume_names(docker_installation, where.sandbox_id))


@docker
def test_limits_in_force_are_named(begin: Begin) -> None:
    where = begin()
    started = DockerBackend().start(
        where.sandbox_id, SandboxSpec(memory_mb=256, cpus=1, processes=100), lambda *_: None
    )
    assert started.isolation == "docker, host's ports closed; limited: memory, cpu, processes"


@docker
def test_what_grows_too_large_is_refused_at_once_or_stopped_with_a_sentence_and_its_files_stay(
    docker_installation: str, owner: User, worker: Worker, settings: Settings, told: list[tuple[str, ...]]
) -> None:
    settings.SANDBOX_BACKEND = "docker"
    settings.SANDBOX_DISK_MB = 5
    sandbox = services.create_sandbox(owner=owner)
    services.request_start(sandbox_id=sandbox.pk)
    provisioning.bring(sandbox.pk, worker.pk)
    where = services.reach(sandbox_id=sandbox.pk)
    assert where
    filled = machine.printed(where, "head -c 20000000 /dev/zero > large")
    size_watch.stop_oversized()
    sandbox.refresh_from_db()
    if "No space left" in filled:  # the engine's file system has quotas
        assert sandbox.state == SandboxState.RUNNING
    else:
        assert "take 20 MB and SANDBOX_DISK_MB allows 5" in sandbox.error
        assert told[-1] == ("lost", sandbox.error)
        assert not list(DockerBackend().lives())
        assert DockerBackend().disk_bytes([sandbox.pk])[sandbox.pk] >= 20_000_000
    services.request_removal(sandbox_id=sandbox.pk)
    provisioning.bring(sandbox.pk, worker.pk)
    assert not engine.belongings(docker_installation)


@docker
def test_uninstalling_leaves_nothing_of_this_installation(begin: Begin, docker_installation: str) -> None:
    begin()
    begin()
    call_command("uninstall_docker", "--yes")
    with connection.talking() as client:
        label = {"label": f"openhands.installation={docker_installation}"}
        assert client.containers(all=True, filters=label) == []
        assert not client.volumes(filters=label)["Volumes"]
        assert client.networks(filters=label) == []


@docker
def test_the_image_is_built_once(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("build_sandbox_image")
    assert f"The image {images.own_image()} is there already; it has" in capsys.readouterr().out


@docker
def test_an_image_that_is_out_of_date_is_said_to_be(
    monkeypatch: pytest.MonkeyPatch, docker_installation: str
) -> None:
    with connection.talking() as client:
        monkeypatch.setattr(images, "own_image", lambda: "openhands-sandbox:of-tomorrow")
        assert "is out of date" in images.describe_absence(client)
    with pytest.raises(StartFailed, match="run `make sandbox-image`") as failed:
        DockerBackend().start(uuid.uuid4(), SandboxSpec(), lambda *_: None)
    assert failed.value.phase == "image"


@pytest.fixture
def silent(settings: Settings, home: Path) -> None:
    """An engine that is away."""
    settings.DOCKER_HOST = NOBODY


def test_an_engine_that_is_away_judges_no_life(silent: None) -> None:
    with pytest.raises(BackendSilent, match="does not answer \\(No such file or directory\\)"):
        list(DockerBackend().lives())


def test_a_start_without_an_engine_can_be_tried_again(silent: None) -> None:
    with pytest.raises(BackendSilent, match="does not answer") as failed:
        DockerBackend().start(uuid.uuid4(), SandboxSpec(), lambda *_: None)
    assert failed.value.can_retry


def test_building_without_an_engine_says_so(silent: None) -> None:
    with pytest.raises(CommandError, match="Is it running, and may this user use its socket"):
        call_command("build_sandbox_image")
