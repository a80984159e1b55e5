"""What waits is sent along, and what is wrong with it is known before anybody is told that it was kept."""

import tempfile
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.db.transaction import TransactionManagementError
from psycopg_pool import ConnectionPool

from accounts.models import User
from conversations import timeline
from conversations.events import Message
from conversations.models import Conversation, Event
from conversations.timeline import Draft
from openhands_site.databases.postgresql.base import TRUSTED_SECONDS

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor != "postgresql", reason="PostgreSQL's protocol"),
]
own: Any = connection


@pytest.fixture
def conversation(owner: User) -> Conversation:
    return Conversation.objects.create(owner=owner, title="A task", max_steps=10)


def messages(act: Callable[[], object]) -> list[str]:
    """The messages to the server in which `act` asks for something, from libpq's own account of them."""
    connection.ensure_connection()
    with tempfile.TemporaryFile("w+") as account:
        own.connection.pgconn.trace(account.fileno())
        try:
            act()
        finally:
            own.connection.pgconn.untrace()
        account.seek(0)
        return [line.partition('"')[2] for line in account if "\tF\t" in line and "\tQuery\t" in line]


def insert(conversation: Conversation, sequence: int) -> None:
    own.send_later(
        "INSERT INTO conversations_event (id, conversation_id, sequence, kind, source, payload, created_at)"
        " VALUES (gen_random_uuid(), %s, %s, 'message', 'user', %s, now())",
        [conversation.pk, sequence, '{"text": "100 %; done"}'],
    )


def test_an_event_is_two_messages(conversation: Conversation) -> None:
    said = messages(lambda: timeline.append(conversation.pk, Draft(Message(text="Hello"), "user")))
    assert [text.split()[0] for text in said] == ["BEGIN;", "INSERT"]
    assert "FOR UPDATE" in said[0]
    assert said[1].rstrip().rstrip('"').endswith("COMMIT")
    assert Event.objects.get().payload["text"] == "Hello"


def test_events_of_the_leases_holder_are_two_messages_without_a_look_before(
    conversation: Conversation,
) -> None:
    drafts = [Draft(Message(text=text), "agent") for text in ("Hello", "World")]
    said = messages(lambda: timeline.extend(conversation.pk, drafts, fence=0, after=0, also=lambda: None))
    assert [text.split()[:2] for text in said] == [["BEGIN;", "UPDATE"], ["INSERT", "INTO"]]
    assert said[1].rstrip().rstrip('"').endswith("COMMIT")
    assert Event.objects.count() == 2


def test_where_the_log_cannot_be_extended_no_word_of_it_is_sent(conversation: Conversation) -> None:
    """A statement that PostgreSQL refuses would stand in its log, with a person's words."""
    drafts = [Draft(Message(text="a secret"), "agent")]
    said = messages(lambda: timeline.extend(conversation.pk, drafts, fence=9, after=0, also=lambda: None))
    assert not any("secret" in text for text in said)


def test_nothing_done_is_nothing_said() -> None:
    def nothing() -> None:
        with transaction.atomic():
            pass

    assert messages(nothing) == []


def test_the_result_is_that_of_the_statement_itself(conversation: Conversation) -> None:
    with transaction.atomic():
        insert(conversation, 1)
        insert(conversation, 2)
        assert Event.objects.filter(payload__text="100 %; done").count() == 2
        insert(conversation, 3)
        assert Event.objects.filter(sequence__gt=1).update(kind="action") == 2
        insert(conversation, 4)
        assert [event.sequence for event in Event.objects.order_by("sequence").iterator()] == [1, 2, 3, 4]
    assert Event.objects.count() == 4


def test_reads_that_belong_together_are_one_message(conversation: Conversation) -> None:
    said = messages(
        lambda: own.fetch_each([("SELECT %s", [1]), ("SELECT 2 WHERE false", []), ("SELECT 3", [])])
    )
    assert len(said) == 1
    assert own.fetch_each([("SELECT %s", [1]), ("SELECT 2 WHERE false", [])]) == [[(1,)], []]


def test_what_the_driver_refuses_is_an_error_of_djangos(conversation: Conversation) -> None:
    statement = ("SELECT %s", ["a NUL: \x00"])
    with pytest.raises(DataError), transaction.atomic():
        own.send_later(*statement)
    with pytest.raises(DataError):
        own.fetch_each([statement])


def test_many_at_once_come_after_what_waits(conversation: Conversation) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        insert(conversation, 1)
        change = "UPDATE conversations_event SET kind = %s WHERE sequence = %s"
        cursor.executemany(change, [["action", 1], ["message", 2]])
    assert Event.objects.get().kind == "action"


def test_what_cannot_be_kept_is_told_by_the_commit_and_nobody_hears_of_it(conversation: Conversation) -> None:
    told = []

    def insert_twice() -> None:
        with transaction.atomic():
            insert(conversation, 1)
            insert(conversation, 1)
            transaction.on_commit(lambda: told.append(1))

    with pytest.raises(IntegrityError):
        insert_twice()
    assert told == []
    assert not Event.objects.exists()


def test_within_a_transaction_it_is_told_before_the_inner_one_ends(conversation: Conversation) -> None:
    with transaction.atomic():
        insert(conversation, 1)
        with pytest.raises(IntegrityError), transaction.atomic():
            insert(conversation, 1)
        insert(conversation, 2)
    assert Event.objects.count() == 2


@pytest.mark.parametrize("is_inner", [False, True])
def test_what_waits_is_forgotten_with_its_transaction(conversation: Conversation, is_inner: bool) -> None:
    class NotNowError(Exception):
        pass

    def fail() -> None:
        with transaction.atomic():
            insert(conversation, 1)
            raise NotNowError

    if is_inner:
        with transaction.atomic():
            with pytest.raises(NotNowError):
                fail()
            insert(conversation, 1)
        assert Event.objects.count() == 1
    else:
        with pytest.raises(NotNowError):
            fail()
        assert not Event.objects.exists()


def test_a_broken_transaction_takes_no_more(conversation: Conversation) -> None:
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(TransactionManagementError):
            insert(conversation, 1)


def test_without_a_transaction_it_is_kept_at_once(conversation: Conversation) -> None:
    insert(conversation, 1)
    assert Event.objects.count() == 1
    with pytest.raises(IntegrityError):
        insert(conversation, 1)


def test_a_connection_is_asked_whether_it_works_once_it_has_rested(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[object] = []
    monkeypatch.setattr(ConnectionPool, "check_connection", checked.append)
    connection.close()  # one that the old pool lent goes back to that
    own.close_pool()  # the next has one connection, which does not take turns with others
    own.pool.open(wait=True)  # who asks before that one is there has a second made
    connection.ensure_connection()
    connection.close()
    checked.clear()
    connection.ensure_connection()
    connection.close()
    assert checked == []
    time.sleep(TRUSTED_SECONDS * 2)
    connection.ensure_connection()
    assert len(checked) == 1
