"""Whose conversation, sandbox and user a line of the log is about."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from conversations.services import start_conversation
from openhands_site.workers.models import Worker
from sandboxes import provisioning


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.msg for record in caplog.records if isinstance(record.msg, dict)]


@pytest.mark.parametrize("address", ["/conversations/{}/", "/api/conversations/{}"])
def test_a_request_about_a_conversation_names_it_and_who_asked(
    as_owner: Client, owner: User, caplog: pytest.LogCaptureFixture, address: str
) -> None:
    conversation = start_conversation(owner=owner, text="Begin")
    caplog.clear()
    as_owner.get(address.format(conversation.pk))
    as_owner.get("/")
    told, other = (line for line in lines(caplog) if line["event"] == "request_finished")
    assert (told["conversation_id"], told["user_id"]) == (str(conversation.pk), str(owner.pk))
    assert "conversation_id" not in other


@pytest.mark.django_db(transaction=True)
def test_work_on_a_sandbox_names_it_and_its_owner(owner: User, caplog: pytest.LogCaptureFixture) -> None:
    conversation = start_conversation(owner=owner, text="Begin")
    assert conversation.sandbox_id
    worker = Worker.objects.create(name="sandboxes", host="here", pid=1)
    provisioning.bring(conversation.sandbox_id, worker.pk)
    (ready,) = (line for line in lines(caplog) if line["event"] == "the sandbox is ready")
    assert (ready["sandbox_id"], ready["user_id"]) == (str(conversation.sandbox_id), str(owner.pk))
