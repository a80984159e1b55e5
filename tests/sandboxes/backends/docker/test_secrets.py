"""Nothing secret is in a container but the action server's own key, and that nowhere where a command could find it."""

import json

import pytest
from django.conf import settings as configured
from pytest_django import Settings

from sandboxes.backends.docker import engine as connection
from sandboxes.backends.docker.containers import container_name
from tests.sandboxes import engine, machine
from tests.sandboxes.backends.docker.conftest import Begin

pytestmark = pytest.mark.service("docker")
SECRETS = {
    "LLM_API_KEY": "sk-the-models-key",
    "OPENHANDS_SECRET_KEYS": "the-secret-key",
    "GITHUB_TOKEN": "ghp-the-users-token",
    "DATABASE_URL": "postgres://ours:the-password@localhost/ours",
}


def test_a_container_shows_none_of_our_secrets_and_not_its_own_key(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    settings.LLM_API_KEY = SECRETS["LLM_API_KEY"]
    where = begin()
    name = container_name(configured.INSTALLATION_ID, where.sandbox_id)
    with connection.talking() as client:
        outside = json.dumps(
            [client.inspect_container(name), client.top(name), client.diff(name)], default=str
        )
        outside += client.logs(name).decode()
    inside = machine.printed(
        where, "env; cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; ps auxe"
    )
    for secret in (*SECRETS.values(), where.key):
        assert secret not in outside
        assert secret not in inside
    folders = ["/workspace", "/tmp", "/var/tmp", "/dev/shm", "/run", "/etc", "/opt/openhands/data", "/home"]
    for secret in (*SECRETS.values(), where.key):
        assert machine.files_with(where, secret, *folders) == []
        # The probe can tell.
        machine.run(where, f"echo a {machine.quoted(secret)} b > planted")
        assert machine.files_with(where, secret, *folders) == ["/workspace/planted"]
        machine.run(where, "rm planted")


def test_labels_and_environment_are_these_and_no_others(begin: Begin) -> None:
    where = begin()
    found = engine.inspect(container_name(configured.INSTALLATION_ID, where.sandbox_id))["Config"]
    names = {variable.partition("=")[0] for variable in found["Env"]}
    assert names <= {"PATH", "SANDBOX_ID", "HOME", "LANG", "LOGNAME", "SHELL", "USER"}
    assert {name for name in found["Labels"] if name.startswith("openhands.")} == {
        "openhands.installation",
        "openhands.sandbox",
        "openhands.image",
    }
