"""What a conversation does with its sandbox's fate, and in which order the rows are locked: else two who each hold one
that the other wants wait until PostgreSQL ends one of them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from accounts.models import User
from conversations.models import Conversation
from openhands_site.db import release_connection
from sandboxes import provisioning, reconcile
from sandboxes import services as sandboxes
from sandboxes.models import Runtime, Sandbox
from tests.conversations.agent.driver import start, until, work, worker
from tests.fakes.models import call, calls

pytestmark = pytest.mark.django_db(transaction=True)
FINISH = calls(call("finish", message="All done."))


def test_who_waits_for_a_sandbox_that_is_removed_gets_another(owner: User) -> None:
    conversation = start(owner, [FINISH])
    first = conversation.sandbox_id
    assert first
    sandboxes.request_removal(sandbox_id=first)
    assert work(conversation).agent_state == "finished"
    conversation.refresh_from_db()
    assert conversation.sandbox_id not in (first, None)


def test_the_sandbox_of_one_that_rests_is_removed_and_wakes_nobody(owner: User) -> None:
    conversation = work(start(owner, [FINISH]))
    assert conversation.sandbox_id
    sandboxes.request_removal(sandbox_id=conversation.sandbox_id)
    provisioning.bring(conversation.sandbox_id, worker())
    assert not Conversation.objects.filter(sandbox__isnull=False).exists()
    assert not Conversation.objects.filter(due_since__isnull=False).exists()


def remove(sandbox: Sandbox) -> None:
    sandboxes.request_removal(sandbox_id=sandbox.pk)
    provisioning.bring(sandbox.pk, worker())


def lose(sandbox: Sandbox) -> None:
    reconcile.record_loss(Runtime.objects.get(sandbox=sandbox), "It is gone.")


@pytest.mark.parametrize("end, first, second", [(remove, Conversation, Sandbox), (lose, Sandbox, Runtime)])
def test_who_ends_a_sandbox_locks_what_uses_it_then_it_then_its_life(
    owner: User,
    end: Callable[[Sandbox], None],
    first: type[Conversation | Sandbox],
    second: type[Sandbox | Runtime],
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has one lock")
    sandbox = work(start(owner, [FINISH])).sandbox
    assert sandbox
    with ThreadPoolExecutor(1) as threads:
        with transaction.atomic():
            first._default_manager.select_for_update().get()
            ended = threads.submit(in_thread_of_its_own, end, sandbox)
            until(somebody_waits)
            assert second._default_manager.select_for_update(nowait=True).get()
        ended.result(10)


def somebody_waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return bool(cursor.fetchone()[0])


def in_thread_of_its_own(end: Callable[[Sandbox], None], sandbox: Sandbox) -> None:
    try:
        end(sandbox)
    finally:
        release_connection()
