import os
import subprocess
import sys

_ENDING = """
import django
django.setup()
import threading
from concurrent.futures import Future
from uuid import uuid4
from celery import signals
import conversations.tasks
from conversations.agent.inbox import reader

def threads():
    return sorted(each.name for each in threading.enumerate() if each.name.startswith("orders"))
"""


def said(code: str) -> list[str]:
    """What a process of its own prints: a worker that ends does so once, and for all in it."""
    done = subprocess.run(
        [sys.executable, "-c", _ENDING + code],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()


def test_a_worker_that_ends_without_a_conversation_starts_no_thread_for_it() -> None:
    code = "signals.worker_shutting_down.send(sender=None); print(reader().is_shutting_down, threads())"
    assert said(code) == ["True []"]


def test_a_worker_that_ends_tells_its_conversations() -> None:
    code = """
with reader().open(uuid4()) as inbox, reader().open(uuid4()) as other:
    print(threads())
    signals.worker_shutting_down.send(sender=None)
    print(inbox.wait(Future()), other.wait(Future()))
"""
    assert said(code) == ["['orders-listen', 'orders-poll']", "shutdown shutdown"]
