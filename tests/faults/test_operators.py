"""What an operator reads and does while a real worker is frozen in the middle of a conversation."""

import os
import signal
from pathlib import Path

import pytest

from tests.faults.conftest import NewDatabase
from tests.faults.deployment import Deployment, await_value

pytestmark = [pytest.mark.service("bwrap"), pytest.mark.service("redis"), pytest.mark.timeout(180)]
TELL = (
    "from openhands_site.work import facts, report; work = facts.gather();"
    "print(*(line for ask in report.QUESTIONS.values() for line in ask(work).wrong), sep='\\n')"
)
MEND = "from openhands_site.work import mending; print(*mending.mend_all(), sep='\\n')"


def test_a_frozen_worker_is_told_and_freed_and_when_it_wakes_up_every_command_has_run_once(
    tmp_path: Path, new_database: NewDatabase
) -> None:
    with Deployment(tmp_path / "home", database_url=new_database()) as deployment, deployment.api() as api:

        def said(program: str) -> str:
            return deployment.manage("shell", "--no-imports", "-c", program).stdout

        task = deployment.begin(api, steps=8)
        task.await_words(3)
        pid = deployment.freeze("agent")
        try:
            told = await_value(
                lambda: text if f"pid {pid}), dead" in (text := said(TELL)) else None, seconds=60
            )
            assert task.id in told
            assert "held by nobody who lives" in told
            assert "Freed 1 conversation that agent (" in said(MEND)
        finally:
            os.kill(pid, signal.SIGCONT)
        task.await_state("finished")
        task.check()
        assert task.ran() == task.words
