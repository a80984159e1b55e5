import uuid

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from conversations import at_work, open_actions, timeline
from conversations.events import Action, AgentState, AgentStateChanged, Observation
from conversations.models import Conversation, Event
from conversations.services import start_conversation
from conversations.timeline import Draft
from openhands_site.workers.models import Worker
from sandboxes.models import Sandbox

pytestmark = pytest.mark.django_db


def conversation(owner: User, state: AgentState = "running") -> Conversation:
    made = start_conversation(owner=owner, text="Mend the roof")
    timeline.append(made.pk, Draft(AgentStateChanged(state=state), "system"))
    return made


def act(made: Conversation, *commands: str) -> list[Event]:
    """A reply with an action a command."""
    call_id = uuid.uuid4()
    actions = [
        Action(
            call_id=call_id,
            index=index,
            tool_call_id=str(index),
            tool="terminal",
            arguments={"command": command},
        )
        for index, command in enumerate(commands)
    ]
    return [timeline.append(made.pk, Draft(action, "agent"))[0] for action in actions]


def observe(made: Conversation, action: Event) -> None:
    timeline.append(made.pk, Draft(Observation(action_id=action.pk, outcome="ok"), "sandbox"))


def summaries(limit: int = 10) -> list[str]:
    return [action.summary for action in at_work.actions(limit)[0]]


def test_an_action_is_open_until_it_is_observed(owner: User) -> None:
    made = conversation(owner)
    first, second = act(made, "one", "two")
    assert summaries() == ["$ one", "$ two"]
    observe(made, first)
    assert summaries() == ["$ two"]
    observe(made, second)
    assert summaries() == []


def test_only_the_latest_reply_has_open_actions(owner: User) -> None:
    made = conversation(owner)
    observe(made, act(made, "earlier")[0])
    act(made, "later")
    assert summaries() == ["$ later"]


@pytest.mark.parametrize("state", ["paused", "stopped", "finished"])
def test_a_conversation_at_rest_is_not_at_work_unless_something_is_due(
    owner: User, state: AgentState
) -> None:
    made = conversation(owner)
    act(made, "one")
    timeline.append(made.pk, Draft(AgentStateChanged(state=state), "system"))
    assert summaries() == []
    Conversation.objects.update(due_since=timezone.now())
    assert summaries() == ["$ one"]


def test_what_nobody_who_lives_holds_comes_first(owner: User) -> None:
    held, unheld, abandoned = (conversation(owner) for _ in range(3))
    act(held, "held")
    act(unheld, "unheld")
    act(abandoned, "abandoned")
    living = Worker.objects.create(name="agent", host="here", pid=1)
    dead = Worker.objects.create(name="agent", host="here", pid=2, last_seen="2020-01-01T00:00:00Z")
    Conversation.objects.filter(pk=held.pk).update(lease_worker=living)
    Conversation.objects.filter(pk=abandoned.pk).update(lease_worker=dead)
    found, total = at_work.actions(2)
    assert [(action.summary, action.is_held) for action in found] == [
        ("$ unheld", False),
        ("$ abandoned", False),
    ]
    assert total == 3
    assert at_work.actions(3)[0][2].is_held


def test_a_long_command_is_shortened_and_one_that_no_tool_takes_is_shown_as_it_is(owner: User) -> None:
    made = conversation(owner)
    act(made, "x" * 500)
    odd = Action(call_id=uuid.uuid4(), index=0, tool_call_id="1", tool="odd", raw_arguments="{not\njson")
    timeline.append(conversation(owner).pk, Draft(odd, "agent"))
    long, short = summaries()
    assert len(long) == at_work.SUMMARY_LIMIT + 1
    assert short == "odd {not json"


def test_many_conversations_and_long_logs_cost_three_queries(
    owner: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(5):
        made = conversation(owner)
        for _ in range(10):
            observe(made, act(made, "done")[0])
        act(made, "open")
    with django_assert_max_num_queries(3):
        assert summaries() == ["$ open"] * 5


def test_more_conversations_than_fit_one_query_are_asked_in_several(
    owner: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_actions, "A_QUERY", 2)
    for _ in range(5):
        act(conversation(owner), "open")
    assert len(summaries()) == 5


def test_a_conversation_that_runs_with_nothing_due_was_left_behind(owner: User) -> None:
    left, due, resting = conversation(owner), conversation(owner), conversation(owner, "idle")
    Conversation.objects.filter(pk=due.pk).update(due_since=timezone.now())
    assert list(at_work.left_behind()) == [left]
    assert resting.pk not in at_work.left_behind().values_list("pk", flat=True)


def test_one_that_starts_is_left_behind_only_where_no_sandbox_is_being_started_for_it(owner: User) -> None:
    made = start_conversation(owner=owner, text="Mend the roof")
    assert not at_work.left_behind()
    Sandbox.objects.update(due_since=None)
    assert list(at_work.left_behind()) == [made]
    Conversation.objects.update(sandbox=None)
    assert list(at_work.left_behind()) == [made]
