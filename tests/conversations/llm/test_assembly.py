from types import SimpleNamespace
from typing import Any

from conversations.llm.assembly import Assembly
from conversations.llm.base import Delta


def piece(index: int | None, arguments: str = "", *, id: str | None = None, name: str | None = None) -> Any:
    return SimpleNamespace(index=index, id=id, function=SimpleNamespace(name=name, arguments=arguments))


def assembled(*pieces: Any) -> tuple[Assembly, list[Delta]]:
    deltas: list[Delta] = []
    assembly = Assembly(1, deltas.append)
    for each in pieces:
        assembly.add(SimpleNamespace(content=None, tool_calls=[each]))
    return assembly, deltas


def test_pieces_of_calls_that_interleave_are_told_apart_by_index() -> None:
    assembly, deltas = assembled(
        piece(0, id="a", name="terminal"),
        piece(1, id="b", name="think"),
        piece(1, '{"thought"'),
        piece(0, '{"command"'),
        piece(1, ': "x"}'),
        piece(0, ': "ls"}'),
    )
    assert [(call.id, call.name, call.arguments) for call in assembly.tool_calls] == [
        ("a", "terminal", '{"command": "ls"}'),
        ("b", "think", '{"thought": "x"}'),
    ]
    assert [(delta.index, delta.offset) for delta in deltas] == [(1, 0), (0, 0), (1, 10), (0, 10)]


def test_a_new_id_under_a_known_index_is_a_new_call() -> None:
    assembly, deltas = assembled(piece(0, "{}", id="a", name="think"), piece(0, "{}", id="b", name="finish"))
    assert [(call.id, call.name) for call in assembly.tool_calls] == [("a", "think"), ("b", "finish")]
    assert [delta.index for delta in deltas] == [0, 1]


def test_an_id_and_a_name_that_are_repeated_are_taken_once() -> None:
    assembly, _ = assembled(piece(0, "{", id="a", name="think"), piece(0, "}", id="a", name="think"))
    assert [(call.id, call.name, call.arguments) for call in assembly.tool_calls] == [("a", "think", "{}")]


def test_calls_without_an_index_stand_in_their_order() -> None:
    deltas: list[Delta] = []
    assembly = Assembly(1, deltas.append)
    calls = [SimpleNamespace(id=id, function=SimpleNamespace(name="think", arguments="{}")) for id in "ab"]
    assembly.add(SimpleNamespace(content="Two.", reasoning_content="Hm.", tool_calls=calls))
    assert [call.id for call in assembly.tool_calls] == ["a", "b"]
    assert (assembly.text, assembly.reasoning) == ("Two.", "Hm.")
    assert assembly.first_piece_at is not None


def test_empty_pieces_are_not_told_on() -> None:
    assembly, deltas = assembled(piece(0, "", id="a", name="think"))
    assert deltas == []
    assert assembly.first_piece_at is None
