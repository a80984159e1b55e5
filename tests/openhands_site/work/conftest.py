"""A living and a dead worker, and conversations that somebody is at, or was."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from accounts.models import User
from conversations import timeline
from conversations.events import Action, AgentStateChanged
from conversations.models import Conversation
from conversations.services import start_conversation
from conversations.timeline import Draft
from openhands_site.workers.models import Worker
from sandboxes import provisioning
from tests.sandboxes.conftest import home, memory  # noqa: F401 - fixtures

MakeTask = Callable[..., Conversation]


@pytest.fixture
def live(db: None) -> Worker:
    """For as long as a test may take."""
    in_an_hour = timezone.now() + timedelta(hours=1)
    return Worker.objects.create(name="agent", host="here", pid=1, last_seen=in_an_hour)


@pytest.fixture
def dead(db: None) -> Worker:
    a_while_ago = timezone.now() - timedelta(seconds=65)
    return Worker.objects.create(name="agent", host="there", pid=2, last_seen=a_while_ago)


@pytest.fixture
def silent(db: None) -> Worker:
    """Dead if there is somebody to say so."""
    lately = timezone.now() - timedelta(seconds=20)
    return Worker.objects.create(name="agent", host="there", pid=3, last_seen=lately)


@pytest.fixture
def task(owner: User) -> MakeTask:
    """Makes a conversation in the middle of a reply of as many actions, none of them observed, held by the worker."""

    def make(worker: Worker | None = None, actions: int = 1, title: str = "Mend the roof") -> Conversation:
        made = start_conversation(owner=owner, text=title)
        timeline.append(made.pk, Draft(AgentStateChanged(state="running"), "system"))
        call_id = uuid.uuid4()
        for index in range(actions):
            action = Action(
                call_id=call_id,
                index=index,
                tool_call_id=f"call-{index}",
                tool="terminal",
                arguments={"command": f"sleep 60{index}"},
            )
            timeline.append(made.pk, Draft(action, "agent"))
        long_ago = timezone.now() - timedelta(hours=1)
        Conversation.objects.filter(pk=made.pk).update(
            due_since=long_ago, lease_worker=worker, lease_fence=7, lease_taken_at=long_ago
        )
        made.refresh_from_db()
        return made

    return make


@pytest.fixture
def running(owner: User, memory: object) -> Conversation:  # noqa: F811
    """A conversation whose sandbox runs, and that nobody is at."""
    made = start_conversation(owner=owner, text="Paint the door")
    starter = Worker.objects.create(name="sandboxes", host="here", pid=3)
    assert made.sandbox
    provisioning.bring(made.sandbox.pk, starter.pk)
    starter.delete()
    made.refresh_from_db()
    return made


def sandbox_id(conversation: Conversation) -> UUID:
    assert conversation.sandbox_id
    return conversation.sandbox_id
