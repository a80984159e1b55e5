import os
import subprocess
import sys

import pytest

_REPORT = "import sys; print([name for name in ('litellm', 'docker', 'conversations.agent.loop') if name in sys.modules])"


def loaded_after(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{_REPORT}"],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


@pytest.mark.parametrize(
    "code",
    [
        "import openhands_site.asgi",
        "import openhands_site.asgi; from django.urls import get_resolver; get_resolver().url_patterns",
        "import openhands_site.asgi; from conversations.llm import registry; registry.price('gpt-4o').cost(1, 1)",
        "import openhands_site.asgi; import conversations.services, conversations.tasks",
    ],
)
def test_the_web_application_loads_neither_litellm_nor_dockers_sdk_nor_the_loop(code: str) -> None:
    assert loaded_after(code) == "[]"
