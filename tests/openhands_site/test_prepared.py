"""Prepared queries do what the querysets do that they are made from, with each call's own values."""

from contextlib import nullcontext
from datetime import UTC, datetime
from decimal import Decimal
from threading import Thread
from uuid import uuid4

import pytest
from django.db import transaction
from django.db.models import BigIntegerField, Count, TextField, UUIDField
from django.db.models.functions import Cast, Now
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from conversations.models import Conversation, Event, LLMCall
from openhands_site.prepared import Parameter, PreparedInsert, PreparedRead, PreparedUpdate, rows_of

pytestmark = pytest.mark.django_db
ID = Parameter("id", UUIDField())
NOW = datetime(2026, 11, 24, 1, 2, 3, 456789, tzinfo=UTC)


@pytest.fixture
def conversations(owner: User) -> list[Conversation]:
    return [Conversation.objects.create(owner=owner, title=f"Task {n}", max_steps=n) for n in range(3)]


def test_rows_are_those_of_the_queryset_whatever_is_asked_for(conversations: list[Conversation]) -> None:
    first = uuid4()
    for sequence, pk in ((1, first), (2, uuid4()), (3, uuid4())):
        Event.objects.create(
            pk=pk,
            conversation=conversations[0],
            sequence=sequence,
            kind="message",
            source="user",
            payload={"text": "é", "n": [1, None]},
            created_at=NOW,
        )
    after = Parameter("after", BigIntegerField())
    events = Event.objects.filter(conversation_id=Parameter("conversation", UUIDField()), sequence__gt=after)
    columns = ("id", "sequence", "payload", "created_at", "text")
    read = PreparedRead(
        lambda: (
            events.annotate(text=Cast("payload", TextField())).order_by("sequence").values_list(*columns)[:2]
        )
    )
    rows = read.rows(conversation=conversations[0].pk, after=0)
    assert [row[1] for row in rows] == [1, 2]
    assert rows[0][0] == first
    assert rows[0][2] == {"text": "é", "n": [1, None]}
    assert rows[0][3] == NOW
    assert isinstance(rows[0][4], str)
    assert [row[1] for row in read.rows(conversation=conversations[0].pk, after=2)] == [3]
    assert read.rows(conversation=conversations[1].pk, after=0) == []


def test_objects_are_whole_models(conversations: list[Conversation]) -> None:
    read = PreparedRead(lambda: Conversation.objects.filter(pk=ID))
    [found] = read.objects(id=conversations[2].pk)
    assert found == conversations[2]
    assert (found.title, found.max_steps, found.get_deferred_fields()) == ("Task 2", 2, set())
    found.title = "Renamed"
    found.save()
    assert Conversation.objects.get(pk=found.pk).title == "Renamed"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("in_transaction", [True, False])
def test_reads_of_several_kinds_at_once(conversations: list[Conversation], in_transaction: bool) -> None:
    titles = PreparedRead(lambda: Conversation.objects.filter(pk=ID).values_list("id", "title"))
    several = PreparedRead(lambda: Conversation.objects.filter(pk__in=[ID]))
    rename = PreparedUpdate(lambda: Conversation.objects.filter(pk=ID), "title")
    first, second, _ = (each.pk for each in conversations)
    with transaction.atomic() if in_transaction else nullcontext():
        rename.send(id=first, title="50% of 'it'; done")
        found = rows_of(
            (titles, {"id": first}),
            (titles, {"id": uuid4()}),
            (several, {"id": second}),
            (titles, {"id": second}),
        )
    assert found[0] == [(first, "50% of 'it'; done")]
    assert found[1] == []
    assert several.made_of(found[2]) == [conversations[1]]
    assert found[3] == [(second, "Task 1")]


def test_sums_of_nothing_are_no_row(conversations: list[Conversation]) -> None:
    calls = LLMCall.objects.filter(conversation_id=ID).values("conversation_id").annotate(calls=Count("pk"))
    read = PreparedRead(lambda: calls.values_list("calls"))
    assert read.rows(id=conversations[0].pk) == []
    LLMCall.objects.create(conversation=conversations[0], fence=1, model="m", route="r")
    assert read.rows(id=conversations[0].pk) == [(1,)]


def test_an_update_changes_what_was_named_and_nothing_else(conversations: list[Conversation]) -> None:
    update = PreparedUpdate(
        lambda: Conversation.objects.filter(pk=ID), "title", "due_since", "lease_worker", updated_at=Now()
    )
    Conversation.objects.update(updated_at=NOW)
    given = {"title": "New", "due_since": NOW, "lease_worker_id": None}
    update.send(id=conversations[0].pk, **given)
    update.send(id=uuid4(), **given)
    changed, other = Conversation.objects.get(pk=conversations[0].pk), conversations[1]
    other.refresh_from_db()
    assert (changed.title, changed.due_since, changed.max_steps, other.title) == ("New", NOW, 0, "Task 1")
    assert changed.updated_at != NOW
    assert other.updated_at == NOW


def test_an_insert_writes_the_row_and_leaves_the_rest_to_the_database(
    conversations: list[Conversation],
) -> None:
    names = ("id", "conversation", "fence", "model", "route", "status", "attempts", "error", "cost")
    insert = PreparedInsert(LLMCall, *names)
    for number in range(2):
        call = LLMCall(
            conversation=conversations[number], fence=7, model="m", route="r", cost=Decimal("0.25")
        )
        insert.send(call)
        stored = LLMCall.objects.get(pk=call.pk)
        assert (stored.conversation, stored.fence, stored.cost) == (conversations[number], 7, Decimal("0.25"))
        assert (stored.status, stored.settled_at) == ("open", None)
        assert stored.created_at is not None


def test_a_prepared_query_is_seen_where_queries_are_counted(
    conversations: list[Conversation], django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    read = PreparedRead(lambda: Conversation.objects.filter(pk=ID).values_list("title"))
    with django_assert_num_queries(2):
        assert read.rows(id=conversations[0].pk) == [("Task 0",)]
        assert read.rows(id=conversations[1].pk) == [("Task 1",)]


@pytest.mark.django_db(transaction=True)
def test_threads_share_one_statement_each_on_its_own_connection(owner: User) -> None:
    made = [Conversation.objects.create(owner=owner, title=f"Task {n}", max_steps=n) for n in range(8)]
    read = PreparedRead(lambda: Conversation.objects.filter(pk=ID).values_list("id", "max_steps"))
    wrong: list[object] = []

    def look(conversation: Conversation) -> None:
        from django.db import connection

        try:
            for _ in range(20):
                rows = read.rows(id=conversation.pk)
                if rows != [(conversation.pk, conversation.max_steps)]:
                    wrong.append(rows)
        finally:
            connection.close()

    threads = [Thread(target=look, args=(each,)) for each in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
