"""Running the real loop on the memory backend, as a worker would, in the test's own thread or beside it."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from accounts.models import User
from conversations import services
from conversations.agent.loop import run
from conversations.models import Conversation, Event
from openhands_site.workers import leases
from openhands_site.workers.models import Worker
from sandboxes import provisioning
from sandboxes.models import Sandbox
from tests.fakes.models import ScriptedTurns, Turn


def worker() -> UUID:
    return Worker.objects.create(name="test", host="here", pid=1).pk


def start(owner: User, turns: Iterable[Turn], text: str = "Do it", **options: Any) -> Conversation:
    model = ScriptedTurns(turns)
    return services.start_conversation(owner=owner, text=text, model=model.name, **options)


def work(conversation: Conversation, worker_id: UUID | None = None) -> Conversation:
    """Serves what is due, sandbox and agent, until nothing is. Returns the conversation as it then is."""
    worker_id = worker_id or worker()
    while True:
        Worker.objects.filter(pk=worker_id).update(last_seen=Now())
        mine = Conversation.objects.filter(pk=conversation.pk)
        sandboxes = leases.due(Sandbox.objects.filter(conversations=conversation.pk), worker_id)
        for sandbox in sandboxes:
            provisioning.bring(sandbox.pk, worker_id)
        if leases.due(mine, worker_id).exists():
            run(conversation.pk, worker_id)
        elif not sandboxes:
            return mine.get()


def work_beside(conversation: Conversation) -> threading.Thread:
    """The same in a thread of its own, which the test joins."""
    worker_id = worker()

    def target() -> None:
        try:
            work(conversation, worker_id)
        finally:
            connection.close()

    # One that hangs must not keep the tests from ending.
    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    return thread


def log_of(conversation: Conversation) -> list[Event]:
    return list(Event.objects.filter(conversation=conversation).order_by("sequence"))


def kinds(conversation: Conversation, *leave_out: str) -> list[str]:
    """The log in a word an event; `startup_progress` and `system_prompt` are left out."""
    hidden = {"startup_progress", "system_prompt", *leave_out}
    words = {"agent_state_changed": "state", "observation": "outcome", "control": "order"}
    names = {"agent_state_changed": "state", "control": "order"}
    return [
        f"{names.get(event.kind, event.kind)}:{event.payload[words[event.kind]]}"
        if event.kind in words
        else event.kind
        for event in log_of(conversation)
        if event.kind not in hidden
    ]


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass in time"
        time.sleep(0.01)
