import re
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from conversations.events import (
    Action,
    AgentStateChanged,
    BlobRef,
    Condensation,
    Control,
    Error,
    ImagePart,
    Message,
    Observation,
    Part,
    Payload,
    StartupProgress,
    SystemPrompt,
    TextPart,
    TitleChanged,
    dump,
)
from conversations.models import Event
from conversations.rendering.events import (
    SANDBOX_LABELS,
    STATE_LABELS,
    outcome_of,
    render_event,
    render_timeline,
)
from openhands_site.outages import FULL
from sandboxes.states import SandboxState

CONVERSATION = UUID(int=7)
BLOB = BlobRef(blob="ab" * 32, media_type="text/plain", size=5_000_000, head="the beginning")


def event(payload: Payload, sequence: int = 1, source: str = "agent") -> Event:
    return Event(
        conversation_id=CONVERSATION,
        sequence=sequence,
        kind=payload.kind,
        source=source,
        payload=dump(payload),
        created_at=datetime(2026, 1, 31, 12, 3, tzinfo=UTC),
    )


def action(tool: str = "terminal", sequence: int = 1, **arguments: Any) -> Event:
    given = Action(call_id=uuid4(), index=0, tool_call_id="t", tool=tool, arguments=arguments)
    return event(given, sequence)


def observation(of: Event, text: str = "", outcome: Any = "ok", sequence: int = 2, **meta: Any) -> Event:
    content = [TextPart(text=text)] if text else []
    seen = Observation(action_id=of.pk, outcome=outcome, content=content, meta=meta)
    return event(seen, sequence, "sandbox")


EVERY_KIND: list[Payload] = [
    Message(text="hello"),
    Action(call_id=uuid4(), index=0, tool_call_id="t", tool="terminal", arguments={"command": "ls"}),
    Observation(action_id=uuid4(), outcome="ok"),
    AgentStateChanged(state="paused"),
    StartupProgress(phase="boot"),
    Control(order="stop"),
    Condensation(until=3, summary="short"),
    Error(code="x", message="broken"),
    TitleChanged(title="new"),
    SystemPrompt(text="be careful"),
]


@pytest.mark.parametrize("payload", EVERY_KIND, ids=lambda payload: payload.kind)
def test_every_kind_of_event_stands_on_the_page_with_its_id_and_sequence(payload: Payload) -> None:
    shown = event(payload, 42)
    html = render_event(shown)
    assert f'id="event-{shown.pk}"' in html
    assert html.count('data-sequence="42"') == 1
    assert f'data-kind="{payload.kind}"' in html
    assert "style=" not in html
    assert "<script" not in html


def test_the_kinds_tested_are_all_there_are() -> None:
    from conversations import events

    kinds = {member.model_fields["kind"].default for member in events._Payload.__subclasses__()}
    assert {payload.kind for payload in EVERY_KIND} == kinds


@pytest.mark.parametrize(
    "payload",
    [
        Message(text="<b onclick=x>"),
        Action(
            call_id=uuid4(), index=0, tool_call_id="t", tool="<b onclick=x>", arguments={"a": "<b onclick=x>"}
        ),
        Action(
            call_id=uuid4(),
            index=0,
            tool_call_id="t",
            tool="terminal",
            arguments={"command": "<b onclick=x>\n<b onclick=x>"},
        ),
        Action(
            call_id=uuid4(),
            index=0,
            tool_call_id="t",
            tool="file_editor",
            arguments={"command": "view", "path": "<b onclick=x>"},
        ),
        Action(
            call_id=uuid4(),
            index=0,
            tool_call_id="t",
            tool="task_tracker",
            arguments={"tasks": [{"title": "<b onclick=x>", "status": '"><b onclick=x>'}]},
        ),
        Action(call_id=uuid4(), index=0, tool_call_id="t", tool="terminal", raw_arguments="<b onclick=x>"),
        Observation(action_id=uuid4(), outcome="ok", content=[TextPart(text="<b onclick=x>")]),
        Observation(
            action_id=uuid4(), outcome="ok", meta={"diff": "@@ -1 +1 @@ <b onclick=x>\n+<b onclick=x>"}
        ),
        AgentStateChanged(state="error", reason="<b onclick=x>"),
        StartupProgress(phase="boot", detail="<b onclick=x>", failed=True),
        Error(code='"><b onclick=x>', message="<b onclick=x>"),
        TitleChanged(title='"><b onclick=x>'),
        SystemPrompt(text="<b onclick=x>", model="<b onclick=x>"),
    ],
    ids=lambda payload: payload.kind,
)
def test_what_agents_and_programs_say_is_text(payload: Payload) -> None:
    assert "<b onclick" not in render_event(event(payload))


def test_an_observation_alone_names_the_action_into_whose_slot_it_goes() -> None:
    ran = action(command="ls")
    html = render_event(observation(ran, "a.txt", exit_code=0, seconds=0.25))
    assert f'data-observation-of="{ran.pk}"' in html
    assert 'data-label="exit 0 · 0.2 s"' in html
    assert "a.txt" in html


def test_an_action_and_its_observation_are_folded_together_wherever_both_are_at_hand() -> None:
    first, second = action(command="one"), action(command="two", sequence=2)
    seen = observation(first, "output", sequence=3, exit_code=1)
    one, two = render_timeline([first, second, seen])
    assert 'data-tone="bad"' in one
    assert "output" in one
    assert ">running <" in two
    assert re.findall(r'data-sequence="(\d)"', one + two) == ["1", "3", "2"]


def test_an_action_that_has_no_end_yet_says_for_how_long_it_runs_since_its_turn_came() -> None:
    def seconds_of(*events: Event) -> int:
        (found,) = re.findall(
            r'<elapsed-time role="timer" seconds="(\d+)\.\d">', "".join(render_timeline(events))
        )
        return int(found)

    first, second = action(command="one"), action(command="two", sequence=2)
    seen = observation(first, "output", sequence=3)
    for shown, age in ((first, 100), (second, 100), (seen, 40)):
        shown.created_at = timezone.now() - timedelta(seconds=age)
    assert 100 <= seconds_of(second) < 110
    assert 40 <= seconds_of(first, second, seen) < 50


def test_an_observation_whose_action_is_older_stands_alone() -> None:
    (alone,) = render_timeline([observation(action(command="ls"), "output")])
    assert "data-observation-of" in alone


@pytest.mark.parametrize(
    ("outcome", "meta", "label", "tone"),
    [
        ("ok", {"exit_code": 0, "seconds": 75.0}, "exit 0 · 1 min 15 s", "good"),
        ("ok", {"exit_code": 2}, "exit 2", "bad"),
        ("ok", {"still_running": True, "seconds": 30.0}, "still running · 30 s", "warn"),
        ("ok", {"diff": "@@ -1,2 +1,3 @@\n a\n-b\n+c\n+d"}, "+2 -1", "good"),
        ("ok", {"lines": 1200}, "1,200 lines", "good"),
        ("error", {}, "failed", "bad"),
        ("interrupted", {"seconds": 1.0}, "interrupted · 1.0 s", "warn"),
        ("lost", {}, "lost", "warn"),
    ],
)
def test_the_first_line_says_how_it_ended(outcome: str, meta: dict[str, Any], label: str, tone: str) -> None:
    found = outcome_of(observation(action(), "x", outcome, **meta))
    assert (found.label, found.tone) == (label, tone)


def test_failures_edits_and_short_outputs_are_open_and_the_rest_is_folded() -> None:
    ran = action()
    assert outcome_of(observation(ran, "short")).is_open
    assert outcome_of(observation(ran, "x\n" * 50, exit_code=1)).is_open
    assert not outcome_of(observation(ran, "x\n" * 50, exit_code=0)).is_open
    assert not outcome_of(observation(ran, "1\tline", lines=1)).is_open


def test_a_diff_is_a_table_with_the_numbers_of_its_lines() -> None:
    diff = "@@ -10,3 +10,3 @@ def f():\n same\n-old\n+new\n same"
    html = render_event(observation(action(), "edited", diff=diff))
    assert '<tr class="diff-removed"><td>11</td><td></td><td>-</td><td>old</td></tr>' in html
    assert '<tr class="diff-added"><td></td><td>11</td><td>+</td><td>new</td></tr>' in html
    assert "edited" not in html


@pytest.mark.parametrize(
    ("tool", "arguments", "words"),
    [
        ("terminal", {"command": "ls -l"}, ["$", "ls -l"]),
        ("terminal", {"command": ""}, ["Read on"]),
        ("terminal", {"command": "C-c"}, ["Type", "C-c"]),
        ("terminal", {"command": "C-\\"}, ["Type", "C-\\"]),
        ("terminal", {"command": "", "reset": True}, ["New shell"]),
        ("terminal", {"command": "one\ntwo"}, ["one …", "one\ntwo"]),
        (
            "file_editor",
            {"command": "view", "path": "/a", "view_range": [3, -1]},
            ["View", "/a, lines 3 to the end"],
        ),
        ("file_editor", {"command": "str_replace", "path": "/a"}, ["Edit", "/a"]),
        ("think", {"thought": "`x` is **so**"}, ["<span>x is so</span>", "<strong>so</strong>"]),
        (
            "task_tracker",
            {"tasks": [{"title": "A", "status": "done"}, {"title": "Mend `b`"}]},
            ["1 of 2 done", 'data-status="todo"', "<span>Mend b<"],
        ),
        ("finish", {"message": "It is *done*."}, ["Finished", "<em>done</em>"]),
        ("from_elsewhere", {"a": 1}, ["from_elsewhere", "&quot;a&quot;: 1"]),
    ],
)
def test_an_action_says_what_it_does(tool: str, arguments: dict[str, Any], words: list[str]) -> None:
    html = render_event(action(tool, **arguments))
    for word in words:
        assert word in html


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("file_editor", {"command": "burn", "path": "/a"}),
        ("file_editor", {"command": "view"}),
        ("file_editor", {"command": "view", "path": "/a", "view_range": [1]}),
        ("think", {"thought": 3}),
        ("finish", {}),
        ("task_tracker", {"tasks": "all"}),
        ("task_tracker", {"tasks": [1]}),
    ],
)
def test_a_call_that_its_tool_does_not_take_is_shown_as_it_was_made(
    tool: str, arguments: dict[str, Any]
) -> None:
    html = render_event(action(tool, **arguments))
    assert 'class="step-detail"' in html


def test_a_long_text_shows_its_beginning_and_leads_to_the_rest() -> None:
    html = render_event(event(Message(text=BLOB)))
    assert "the beginning" in html
    assert f'href="/api/conversations/{CONVERSATION}/blobs/{BLOB.blob}"' in html
    assert "4.8" in html


def test_a_picture_of_an_observation_comes_from_its_conversation() -> None:
    seen = Observation(action_id=uuid4(), outcome="ok", content=[ImagePart(image=BLOB)])
    assert f'<img src="/api/conversations/{CONVERSATION}/blobs/{BLOB.blob}"' in render_event(event(seen))


def test_a_state_without_a_reason_that_the_header_shows_has_no_line() -> None:
    assert " hidden>" in render_event(event(AgentStateChanged(state="running")))
    assert " hidden>" not in render_event(event(AgentStateChanged(state="idle", reason="No call came.")))
    assert " hidden>" not in render_event(event(AgentStateChanged(state="stopped")))


def test_a_limit_says_once_what_to_do() -> None:
    html = render_event(event(AgentStateChanged(state="limit_reached", reason="Resume to go on.")))
    assert "<p>Limit reached: Resume to go on.</p>" in html


def test_a_message_that_a_stop_cut_says_so() -> None:
    assert "Cut off by a stop" in render_event(event(Message(text="I wi", cut=True)))


def test_an_error_says_what_to_do() -> None:
    html = render_event(event(Error(code="key", message="The key was refused.", fault="user")))
    assert "settings" in html


@pytest.mark.parametrize(
    ("code", "fault"), [("context_window", "user"), ("content_policy", "user"), (FULL.code, "server")]
)
def test_an_error_whose_message_says_what_to_do_gets_no_other_advice(code: str, fault: Any) -> None:
    html = render_event(event(Error(code=code, message="Start a new one.", fault=fault)))
    assert re.findall(r"<p.*?</p>", html) == ['<p class="problem-title">Start a new one.</p>']


def test_every_state_of_the_agent_has_a_label() -> None:
    from conversations.states import AgentState

    assert set(AgentState.values) <= set(STATE_LABELS)


def test_every_state_of_a_sandbox_has_a_label() -> None:
    assert set(SANDBOX_LABELS) == {*SandboxState.values, "none"}


def test_an_error_is_not_said_twice() -> None:
    html = render_event(event(AgentStateChanged(state="error", reason="No key")))
    assert " hidden" in html.partition(">")[0]


def test_a_lost_action_says_what_that_means() -> None:
    done = action(command="make")
    html = render_event(done, observation(done, outcome="lost"))
    assert "may have had its effect or not" in html
    assert '<details class="step" open>' in html


@pytest.mark.parametrize("exit_code", [0, 1])
@pytest.mark.parametrize("content", [[], [TextPart(text="")]])
def test_an_outcome_with_nothing_to_show_is_folded(exit_code: int, content: list[Part]) -> None:
    done = action(command="true")
    seen = Observation(action_id=done.pk, outcome="ok", content=content, meta={"exit_code": exit_code})
    assert '<details class="step">' in render_event(done, event(seen))
