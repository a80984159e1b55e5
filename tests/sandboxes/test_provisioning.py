from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from openhands_site.workers.models import Worker
from sandboxes import provisioning, reconcile, services
from sandboxes.models import Runtime, Sandbox
from sandboxes.states import SandboxState, Wanted
from tests.sandboxes import machine
from tests.sandboxes.doubles import Recorder, living
from tests.sandboxes.engine_double import engine_double

Told = list[tuple[str, ...]]
Use = Callable[[str], None]


def reread(sandbox: Sandbox) -> Sandbox:
    sandbox.refresh_from_db()
    return sandbox


def test_a_start_goes_through_its_phases_and_ends_ready(sandbox: Sandbox, worker: Worker, told: Told) -> None:
    provisioning.bring(sandbox.pk, worker.pk)
    runtime = Runtime.objects.get(sandbox=sandbox)
    assert told == [
        ("phase", "queued"),
        ("phase", "create"),
        ("phase", "boot"),
        ("phase", "init"),
        ("ready", runtime.boot_id),
    ]
    assert sorted(Recorder.milliseconds) == Recorder.milliseconds
    done = reread(sandbox)
    assert (done.state, done.due_since, done.lease_worker_id) == (SandboxState.RUNNING, None, None)
    where = services.reach(sandbox_id=sandbox.pk)
    assert where is not None
    assert machine.health(where).boot_id == runtime.boot_id
    assert runtime.isolation == "in memory, for tests"


def test_only_one_worker_starts_a_sandbox(sandbox: Sandbox, worker: Worker, told: Told) -> None:
    other = Worker.objects.create(name="other", host="here", pid=2)
    Sandbox.objects.filter(pk=sandbox.pk).update(lease_worker=other)
    provisioning.bring(sandbox.pk, worker.pk)
    assert told == [("phase", "queued")]
    assert not list(living())


def test_the_work_of_a_dead_worker_is_taken_over(sandbox: Sandbox, worker: Worker) -> None:
    dead = Worker.objects.create(
        name="dead", host="here", pid=2, last_seen=timezone.now() - timedelta(seconds=7)
    )
    Sandbox.objects.filter(pk=sandbox.pk).update(lease_worker=dead, lease_fence=4)
    provisioning.bring(sandbox.pk, worker.pk)
    done = reread(sandbox)
    assert (done.state, done.lease_fence) == (SandboxState.RUNNING, 5)


def test_a_life_that_a_dead_worker_started_is_taken_over_and_not_started_anew(
    running: Sandbox, worker: Worker, told: Told
) -> None:
    boot_id = Runtime.objects.get().boot_id
    Sandbox.objects.update(state=SandboxState.STARTING, due_since=timezone.now())
    told.clear()
    provisioning.bring(running.pk, worker.pk)
    assert told == [("ready", boot_id)]
    assert Runtime.objects.get(ended_at=None).boot_id == boot_id


@pytest.mark.parametrize(
    ("double", "phase", "words"),
    [
        ("NeverReady", "boot", "not ready within"),
        ("Broken", "create", "surprise"),
        ("AnswersAndDies", "init", "does not answer"),
    ],
)
def test_a_failed_start_names_its_phase_and_says_why(
    sandbox: Sandbox, worker: Worker, told: Told, memory: Use, double: str, phase: str, words: str
) -> None:
    memory(double)
    provisioning.bring(sandbox.pk, worker.pk)
    assert told[-1][:2] == ("failed", phase)
    assert words in told[-1][2]
    done = reread(sandbox)
    assert (done.state, done.due_since, done.lease_worker_id) == (SandboxState.ERROR, None, None)
    assert words in done.error
    assert services.reach(sandbox_id=sandbox.pk) is None
    assert not Runtime.objects.filter(ended_at=None).exists()


def test_a_life_that_did_not_answer_at_once_is_asked_again(
    sandbox: Sandbox, worker: Worker, memory: Use
) -> None:
    memory("AnswersLate")
    provisioning.bring(sandbox.pk, worker.pk)
    assert reread(sandbox).state == SandboxState.RUNNING


def test_a_failed_start_can_be_asked_for_again(sandbox: Sandbox, worker: Worker, memory: Use) -> None:
    memory("NeverReady")
    provisioning.bring(sandbox.pk, worker.pk)
    memory("Uncontained")
    Sandbox.objects.filter(pk=sandbox.pk).update(owner=User.objects.create_superuser("boss@example.com"))
    services.request_start(sandbox_id=sandbox.pk)
    provisioning.bring(sandbox.pk, worker.pk)
    done = reread(sandbox)
    assert (done.state, done.error) == (SandboxState.RUNNING, "")


def test_a_worker_that_lost_its_lease_writes_nothing_and_leaves_nothing_running(
    sandbox: Sandbox, worker: Worker, told: Told, memory: Use
) -> None:
    memory("LosesTheLease")
    provisioning.bring(sandbox.pk, worker.pk)
    assert "ready" not in [words[0] for words in told]
    assert reread(sandbox).state == SandboxState.STARTING
    assert not Runtime.objects.exists()
    assert not list(living())


def test_a_sandbox_that_is_to_go_while_it_starts_goes(sandbox: Sandbox, worker: Worker, memory: Use) -> None:
    memory("RemovedMeanwhile")
    provisioning.bring(sandbox.pk, worker.pk)
    waiting = reread(sandbox)
    assert (waiting.wanted, waiting.lease_worker_id) == (Wanted.REMOVED, None)
    assert waiting.due_since is not None
    provisioning.bring(sandbox.pk, worker.pk)
    assert not Sandbox.objects.exists()
    assert not list(living())


@pytest.mark.parametrize(
    ("is_operator", "allowed", "state"),
    [
        (False, False, SandboxState.ERROR),
        (True, False, SandboxState.RUNNING),
        (False, True, SandboxState.RUNNING),
    ],
)
def test_without_isolation_only_operators_may_start_a_sandbox_unless_it_is_allowed(
    sandbox: Sandbox,
    worker: Worker,
    memory: Use,
    settings: Settings,
    is_operator: bool,
    allowed: bool,
    state: str,
) -> None:
    memory("Uncontained")
    settings.SANDBOX_ALLOW_UNISOLATED = allowed
    User.objects.update(is_staff=is_operator)
    provisioning.bring(sandbox.pk, worker.pk)
    done = reread(sandbox)
    assert done.state == state
    assert ("SANDBOX_ALLOW_UNISOLATED=1" in done.error) == (state == SandboxState.ERROR)


def test_a_sandbox_whose_life_was_ended_keeps_its_files_and_starts_again(
    running: Sandbox, worker: Worker
) -> None:
    where = services.reach(sandbox_id=running.pk)
    assert where
    machine.run(where, "write plan.txt step one")
    reconcile.end_life(Runtime.objects.get(), "It was ended.")
    ended = reread(running)
    assert (ended.state, ended.due_since, ended.lease_worker_id) == (SandboxState.MISSING, None, None)
    assert not list(living())
    services.request_start(sandbox_id=running.pk)
    provisioning.bring(running.pk, worker.pk)
    again = services.reach(sandbox_id=running.pk)
    assert again
    assert machine.printed(again, "cat plan.txt") == "step one\n"


def test_a_removed_sandbox_has_no_row_no_life_and_no_files(
    running: Sandbox, worker: Worker, settings: Settings
) -> None:
    services.request_removal(sandbox_id=running.pk)
    provisioning.bring(running.pk, worker.pk)
    assert not Sandbox.objects.exists()
    assert not list(living())
    assert not list(settings.SANDBOX_FOLDER.glob(f"{running.pk}*"))


def test_a_sandbox_that_was_never_started_can_be_removed(sandbox: Sandbox, worker: Worker) -> None:
    services.request_removal(sandbox_id=sandbox.pk)
    provisioning.bring(sandbox.pk, worker.pk)
    assert not Sandbox.objects.exists()


def test_what_cannot_be_ended_is_in_error_and_is_not_tried_for_ever(
    running: Sandbox, worker: Worker, memory: Use
) -> None:
    memory("Broken")
    services.request_removal(sandbox_id=running.pk)
    provisioning.bring(running.pk, worker.pk)
    done = reread(running)
    assert (done.state, done.due_since, done.lease_worker_id) == (SandboxState.ERROR, None, None)
    assert "cannot be ended" in done.error
    memory("Uncontained")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provisioning, "RETRY_SECONDS", 0.01)


def test_a_start_waits_for_a_backend_that_does_not_answer_and_says_so_once(
    sandbox: Sandbox, worker: Worker, told: Told, memory: Use, impatient: None
) -> None:
    memory("Silent")
    for _ in range(2):
        provisioning.bring(sandbox.pk, worker.pk)
        waiting = reread(sandbox)
        assert (waiting.state, waiting.lease_worker_id) == (SandboxState.STARTING, None)
        assert waiting.due_since is not None
    assert told == [("phase", "queued"), ("phase", "create")]
    memory("WithImages")
    provisioning.bring(sandbox.pk, worker.pk)
    assert (reread(sandbox).state, sandbox.error) == (SandboxState.RUNNING, "")


def test_a_start_does_not_wait_for_ever(
    sandbox: Sandbox, worker: Worker, told: Told, memory: Use, settings: Settings
) -> None:
    memory("Silent")
    settings.SANDBOX_START_TIMEOUT = 0
    provisioning.bring(sandbox.pk, worker.pk)
    assert told[-1] == ("failed", "create", "The engine does not answer.")
    assert reread(sandbox).state == SandboxState.ERROR


def test_a_removal_waits_for_a_backend_that_does_not_answer(
    running: Sandbox, worker: Worker, memory: Use, impatient: None
) -> None:
    memory("Silent")
    services.request_removal(sandbox_id=running.pk)
    provisioning.bring(running.pk, worker.pk)
    assert reread(running).due_since is not None
    assert running.state == SandboxState.RUNNING
    memory("WithImages")
    provisioning.bring(running.pk, worker.pk)
    assert not Sandbox.objects.exists()


def test_the_image_of_a_sandbox_reaches_its_backend_and_its_way_is_told(
    owner: User, worker: Worker, told: Told, memory: Use, settings: Settings
) -> None:
    memory("WithImages")
    settings.SANDBOX_IMAGES = ["python:*"]
    made = services.create_sandbox(owner=owner, image="python:3.12")
    services.request_start(sandbox_id=made.pk)
    provisioning.bring(made.pk, worker.pk)
    assert told[:2] == [("phase", "queued"), ("phase", "image")]
    assert Runtime.objects.get().isolation == "image python:3.12"


def test_an_image_that_is_no_longer_allowed_is_refused_at_the_start(
    owner: User, worker: Worker, told: Told, memory: Use, settings: Settings
) -> None:
    memory("WithImages")
    made = services.create_sandbox(owner=owner, image="python:3.12")
    services.request_start(sandbox_id=made.pk)
    settings.SANDBOX_IMAGES = ["node:*"]
    provisioning.bring(made.pk, worker.pk)
    assert told[-1][0] == "failed"
    assert "allowed are: node:*" in told[-1][2]


def test_a_sandbox_starts_where_its_files_are_whatever_new_ones_use(
    running: Sandbox, worker: Worker, settings: Settings
) -> None:
    settings.SANDBOX_BACKENDS = {**settings.SANDBOX_BACKENDS, "new": "tests.sandboxes.doubles.NeverReady"}
    settings.SANDBOX_BACKEND = "new"
    reconcile.end_life(Runtime.objects.get(), "The server was stopped.")
    services.request_start(sandbox_id=running.pk)
    provisioning.bring(running.pk, worker.pk)
    assert reread(running).state == SandboxState.RUNNING
    assert set(Runtime.objects.values_list("backend", flat=True)) == {"memory"}
    other = services.create_sandbox(owner=running.owner)
    services.request_start(sandbox_id=other.pk)
    provisioning.bring(other.pk, worker.pk)
    assert reread(other).state == SandboxState.ERROR


def test_what_keeps_a_sandbox_in_is_judged_where_it_starts(
    running: Sandbox, worker: Worker, memory: Use, settings: Settings
) -> None:
    settings.SANDBOX_BACKENDS = {**settings.SANDBOX_BACKENDS, "new": settings.SANDBOX_BACKENDS["memory"]}
    memory("Uncontained")
    settings.SANDBOX_BACKEND = "new"
    reconcile.end_life(Runtime.objects.get(), "The server was stopped.")
    services.request_start(sandbox_id=running.pk)
    provisioning.bring(running.pk, worker.pk)
    assert "isolation: none" in reread(running).error


@pytest.fixture
def in_docker(running: Sandbox) -> Sandbox:
    """One that began in Docker, and is asked to start by a server whose new ones are elsewhere."""
    reconcile.end_life(Runtime.objects.get(), "The server was stopped.")
    Runtime.objects.update(backend="docker")
    services.request_start(sandbox_id=running.pk)
    return running


def test_a_sandbox_whose_files_are_in_an_engine_that_is_away_does_not_start_elsewhere(
    in_docker: Sandbox, worker: Worker, settings: Settings, impatient: None
) -> None:
    settings.DOCKER_HOST = "unix:///nonexistent/docker.sock"
    provisioning.bring(in_docker.pk, worker.pk)
    assert reread(in_docker).state == SandboxState.STARTING  # the engine may be on its way
    settings.SANDBOX_START_TIMEOUT = 0
    provisioning.bring(in_docker.pk, worker.pk)
    assert reread(in_docker).state == SandboxState.ERROR
    assert "files are in docker, though new sandboxes use memory" in in_docker.error
    assert "Start the engine, and run `make sandbox-image`" in in_docker.error
    assert not list(living())


def test_a_sandbox_whose_engine_lacks_the_image_says_how_to_build_it(
    in_docker: Sandbox, worker: Worker, settings: Settings, tmp_path: Path
) -> None:
    with engine_double(tmp_path, answers={"/images/json": []}) as double:
        settings.DOCKER_HOST = double.address
        provisioning.bring(in_docker.pk, worker.pk)
    assert reread(in_docker).state == SandboxState.ERROR
    assert in_docker.error.endswith("is not there: run `make sandbox-image`.")
    assert not list(living())
