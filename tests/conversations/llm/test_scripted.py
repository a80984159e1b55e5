import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conversations.llm import scripted
from conversations.llm.base import Delta, ModelChoice, Reply, Request
from conversations.tools.base import parse
from conversations.tools.registry import TOOLS

OK = "[exit code 0; directory /workspace]"
THREE = "Please:\n```bash\ncd /tmp\n```\nthen\n```bash\nmake |\n  tee log\n```\n~~~sh\nfalse\n~~~\n"
Results = Callable[[str], str]


def ask(messages: list[dict[str, Any]]) -> Reply:
    deltas: list[Delta] = []
    reply = asyncio.run(
        scripted.create(ModelChoice("scripted/demo")).complete(Request(messages, []), deltas.append)
    )
    assert "".join(delta.text for delta in deltas if delta.channel == "text") == reply.text
    for index, call in enumerate(reply.tool_calls):
        pieces = [delta.text for delta in deltas if (delta.channel, delta.index) == ("arguments", index)]
        assert "".join(pieces) == call.arguments
    return reply


def said(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def answered(messages: list[dict[str, Any]], reply: Reply, result: str) -> None:
    """Adds a reply to the messages, and what its calls gave."""
    for call in reply.tool_calls:
        parse(TOOLS[call.name], json.loads(call.arguments), call.arguments)  # as the loop checks it
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for call in reply.tool_calls
    ]
    messages.append({"role": "assistant", "content": reply.text or None, "tool_calls": calls})
    for call in reply.tool_calls:
        content = result if call.name == "terminal" else "Done."
        messages.append({"role": "tool", "tool_call_id": call.id, "content": content})


def play(
    messages: list[dict[str, Any]], results: Results, steps: int = 30
) -> list[tuple[str, dict[str, Any]]]:
    """Goes on until the model finishes; returns its calls. Commands give what `results` says."""
    made: list[tuple[str, dict[str, Any]]] = []
    for _ in range(steps):
        reply = ask(messages)
        calls = [(call.name, json.loads(call.arguments)) for call in reply.tool_calls]
        made += calls
        command = next((arguments["command"] for name, arguments in calls if name == "terminal"), "")
        answered(messages, reply, results(command))
        if not calls or calls[-1][0] == "finish":
            return made
    raise AssertionError("it does not finish")


def commands(made: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [arguments["command"] for name, arguments in made if name == "terminal"]


def test_the_blocks_of_a_message_are_run_one_by_one() -> None:
    codes = {"cd /tmp": 0, "make |\n  tee log": 2, "false": 1}
    made = play([said(THREE)], lambda command: f"Hm.\n[exit code {codes.get(command)}; directory /tmp]")
    assert commands(made) == ["cd /tmp", "make |\n  tee log", "false"]
    assert [name for name, _ in made] == ["task_tracker", *["terminal"] * 3, "task_tracker", "finish"]
    message = made[-1][1]["message"]
    assert "1 of 3 commands" in message
    assert "| 1 | `cd /tmp` | 0 |" in message
    assert "| 2 | `make \\| (and 1 more lines)` | 2 |" in message
    assert "| 3 | `false` | 1 |" in message
    assert "stand-in" in message
    assert "LLM_MODEL" in message
    assert "LLM_API_KEY" in message
    assert "Settings" in message


def test_the_task_list_shows_the_way_and_then_the_end() -> None:
    made = play([said(THREE)], lambda _: OK)
    first, last = (arguments["tasks"] for name, arguments in made if name == "task_tracker")
    assert [task["status"] for task in first] == ["in_progress", "todo", "todo"]
    assert [task["status"] for task in last] == ["done"] * 3


def test_one_block_needs_no_task_list() -> None:
    made = play([said("```bash\nls\n```")], lambda _: OK)
    assert [name for name, _ in made] == ["terminal", "finish"]


def test_a_block_that_is_not_closed_and_other_languages_are_read_as_written() -> None:
    made = play([said("```python\nprint(1)\n```\n```bash\necho '```'\nls")], lambda _: OK)
    assert commands(made) == ["echo '```'\nls"]


def test_a_command_that_runs_on_is_read_on() -> None:
    results = iter(
        ["[The command still runs; nothing was printed for 30 s.]", "x\n[The command still runs; …]", OK]
    )
    made = play([said("```bash\nsleep 90\n```")], lambda _: next(results, OK))
    assert commands(made) == ["sleep 90", "", ""]
    assert "| `sleep 90` | 0 |" in made[-1][1]["message"]


def test_a_command_that_never_ends_is_interrupted() -> None:
    made = play(
        [said("```bash\nserve\n```")],
        lambda command: "[exit code 130; directory /]" if command == "C-c" else "[The command still runs; …]",
    )
    assert commands(made)[-1] == "C-c"
    assert "| `serve` | 130 |" in made[-1][1]["message"]


def test_one_that_even_then_does_not_end_is_reported() -> None:
    made = play([said("```bash\nserve\n```")], lambda _: "[The command still runs; …]")
    assert "| `serve` | still running |" in made[-1][1]["message"]


@pytest.mark.parametrize(
    "result, end",
    [
        ("part\n[Interrupted before it ended.]\n[exit code 130; directory /]", "interrupted"),
        ("[The result is lost: the sandbox went away while this ran.]", "lost"),
        ("The sandbox has no shell.", "not run"),
        ("prints [exit code 7; directory /] itself\n" + OK, "0"),
    ],
)
def test_how_a_command_ended_is_in_the_table(result: str, end: str) -> None:
    made = play([said("```bash\nwork\n```")], lambda _: result)
    assert f"| `work` | {end} |" in made[-1][1]["message"]


def test_a_message_without_a_block_is_answered_with_a_program_that_runs(tmp_path: Path) -> None:
    task = "Say 'hello' to \"the\" $world; `rm -rf` \\ {braces} ''' \"\"\" héllo \u2028 and hello again"

    def run(command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return f"{done.stdout}{done.stderr}\n[exit code {done.returncode}; directory /workspace]"

    messages = [said(task)]
    created = json.loads(ask(messages).tool_calls[0].arguments)
    assert (created["command"], created["path"]) == ("create", "stand_in.py")
    (tmp_path / created["path"]).write_text(created["file_text"])
    made = play(messages, lambda command: run(command.replace("python3", sys.executable)))
    assert [name for name, _ in made] == ["file_editor", "terminal", "finish"]
    message = made[-1][1]["message"]
    assert "exit code 0" in message
    assert "Hello! Your task has" in message
    assert "x hello" not in message.split("It printed")[0]
    assert "Traceback" not in message
    assert "stand-in" in message


def test_other_words_make_another_program() -> None:
    first, second = (ask([said(text)]).tool_calls[0].arguments for text in ("Sing a song", "Dance a dance"))
    assert first != second


def test_a_message_after_the_end_is_a_new_task() -> None:
    messages = [said("```bash\nls\n```")]
    play(messages, lambda _: OK)
    messages.append(said("```bash\npwd\n```"))
    assert commands(play(messages, lambda _: OK)) == ["pwd"]


def test_words_in_between_do_not_disturb_the_work() -> None:
    messages = [said("```bash\nls\n```\n```bash\npwd\n```")]
    answered(messages, ask(messages), OK)
    answered(messages, ask(messages), OK)
    messages.append(said("How is it going?"))
    made = play(messages, lambda _: OK)
    assert commands(made) == ["pwd"]
    assert "2 of 2 commands" in made[-1][1]["message"]


def test_blocks_in_between_take_the_place_of_the_first_ones() -> None:
    messages = [said("```bash\nls\n```\n```bash\npwd\n```")]
    answered(messages, ask(messages), OK)
    answered(messages, ask(messages), OK)
    messages.append(said("Rather this:\n```bash\nwhoami\n```"))
    assert commands(play(messages, lambda _: OK)) == ["whoami"]


def test_asked_again_after_the_end_it_says_that_nothing_is_left() -> None:
    messages = [{"role": "system", "content": "You are an agent."}, said("```bash\nls\n```")]
    play(messages, lambda _: OK)
    reply = ask(messages)
    assert reply.tool_calls == ()
    assert "Nothing is left" in reply.text


def test_an_image_is_not_a_message_of_a_person() -> None:
    messages = [said("```bash\nls\n```")]
    answered(messages, ask(messages), OK)
    messages.append(
        {"role": "user", "content": [{"type": "text", "text": "The image that file_editor returned:"}]}
    )
    assert ask(messages).tool_calls[0].name == "finish"


def test_a_reply_has_plausible_tokens_and_costs_nothing() -> None:
    usage = ask([{"role": "system", "content": "x" * 4000}, said("Hello")]).usage
    assert usage.prompt_tokens == 1001
    assert usage.completion_tokens
    assert usage.cost == 0


def test_the_ids_of_calls_are_not_used_twice() -> None:
    messages = [said(THREE)]
    play(messages, lambda _: OK)
    messages.append(said(THREE))
    play(messages, lambda _: OK)
    ids = [call["id"] for message in messages for call in message.get("tool_calls") or ()]
    assert len(ids) == len(set(ids)) == 12
