"""Who may take what, on rows of sandboxes: conversations go by the same rule."""

from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from django.db.models.functions import Now

from accounts.models import User
from openhands_site.workers import leases
from openhands_site.workers.models import Worker
from sandboxes.models import Sandbox

pytestmark = pytest.mark.django_db


def worker(name: str, seen: float = 0, judges_in: float = -1) -> Worker:
    made = Worker.objects.create(name=name, host="here", pid=1)
    Worker.objects.filter(pk=made.pk).update(
        last_seen=Now() - timedelta(seconds=seen), judges_from=Now() + timedelta(seconds=judges_in)
    )
    return made


def row(owner: User, holder: Worker | None = None, reserved_for: Worker | None = None) -> Sandbox:
    return Sandbox.objects.create(
        owner=owner, due_since="2026-01-01T00:00Z", lease_worker=holder, reserved_for=reserved_for
    )


def take(sandbox: Sandbox, taker: Worker) -> int | None:
    return leases.take(Sandbox.objects.all(), sandbox.pk, taker.pk)


def test_what_nobody_holds_is_taken_once(owner: User) -> None:
    sandbox = row(owner)
    assert [take(sandbox, worker("first")), take(sandbox, worker("second"))] == [1, None]


@pytest.mark.django_db(transaction=True)
def test_a_lease_whose_commit_was_not_answered_is_given_up_again(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether it was taken; the worker lives, so nobody else would ever take it."""
    sandbox, taker = row(owner), worker("taker")
    commit = connection.commit

    def commit_unanswered() -> None:
        monkeypatch.undo()
        commit()
        raise OperationalError("the line was cut")

    monkeypatch.setattr(connection, "commit", commit_unanswered)
    with pytest.raises(OperationalError):
        take(sandbox, taker)
    sandbox.refresh_from_db()
    assert (sandbox.lease_worker, sandbox.lease_fence) == (None, 1)
    assert take(sandbox, taker) == 2


def test_what_a_dead_worker_holds_is_taken_with_a_higher_fence(owner: User) -> None:
    sandbox = row(owner, holder=worker("dead", seen=60))
    assert take(sandbox, worker("taker")) == 1


def test_what_a_live_worker_holds_or_has_reserved_is_not_taken(owner: User) -> None:
    live, taker = worker("live"), worker("taker")
    assert take(row(owner, holder=live), taker) is None
    assert take(row(owner, reserved_for=live), taker) is None
    assert take(row(owner, reserved_for=taker), taker) == 1


@pytest.mark.parametrize(
    "condition",
    [{"seen": 60}, {"judges_in": 5}, {"seen": 5}],
    ids=["looks dead itself", "was blind or is new", "may be blind now"],
)
def test_a_worker_that_may_have_been_blind_takes_nothing_from_others(
    owner: User, condition: dict[str, float]
) -> None:
    """The database was away: everybody's heartbeat is old, and whose comes first must not take all."""
    looks_dead, taker = worker("looks dead", seen=60), worker("taker", **condition)
    assert take(row(owner, holder=looks_dead), taker) is None
    assert take(row(owner, reserved_for=looks_dead), taker) is None
    assert take(row(owner), taker) == 1


def test_a_service_calls_a_holder_dead_only_where_a_worker_could(owner: User) -> None:
    sandbox = row(owner, holder=worker("looks dead", seen=20))
    worker("may be blind as well", seen=5)
    assert leases.is_held(sandbox)
    worker("witness")
    assert not leases.is_held(sandbox)


def test_a_service_does_not_wait_for_ever_for_a_worker_to_judge(owner: User) -> None:
    assert not leases.is_held(row(owner, holder=worker("long dead", seen=100)))
    assert not leases.is_held(row(owner))
