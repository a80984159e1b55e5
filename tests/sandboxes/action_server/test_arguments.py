import pytest

from sandboxes.action_server.arguments import Arguments
from sandboxes.action_server.errors import ToolError


def test_values_are_read_and_what_is_null_is_absent() -> None:
    arguments = Arguments({"a": True, "b": 7, "c": 7.0, "d": [1, -1], "e": None}, list("abcde"))
    assert arguments.flag("a") is True
    assert arguments.number("b", 1, 10) == 7.0
    assert arguments.line("c") == 7
    assert arguments.line_range("d") == (1, -1)
    assert arguments.text("e", "default") == "default"
    assert arguments.flag("e") is False
    assert arguments.number("e", 1, 10) == 1.0
    assert arguments.line_range("e") is None


@pytest.mark.parametrize("value", [True, -1, 0, 11, "7", [], float("nan"), float("inf"), 10**400])
def test_a_number_out_of_range_is_refused(value: object) -> None:
    with pytest.raises(ToolError, match="above 0, up to 10"):
        Arguments({"a": value}, ["a"]).number("a", 1, 10)


@pytest.mark.parametrize("value", [True, 1.5, "7", [], {}, float("inf")])
def test_a_line_that_is_no_whole_number_is_refused(value: object) -> None:
    with pytest.raises(ToolError, match="whole number"):
        Arguments({"a": value}, ["a"]).line("a")


@pytest.mark.parametrize("value", [[1], [1, 2, 3], "1-2", [1, "2"], [True, 2], {}, 5])
def test_a_range_that_is_no_pair_is_refused(value: object) -> None:
    with pytest.raises(ToolError, match="two whole numbers"):
        Arguments({"a": value}, ["a"]).line_range("a")


def test_unknown_missing_and_mistyped_arguments_are_named() -> None:
    with pytest.raises(ToolError, match=r"Unknown argument b\. Known are: a\."):
        Arguments({"b": 1}, ["a"])
    with pytest.raises(ToolError, match="a is missing"):
        Arguments({}, ["a"]).text("a")
    with pytest.raises(ToolError, match="a must be a string"):
        Arguments({"a": 1}, ["a"]).text("a")
    with pytest.raises(ToolError, match="true or false"):
        Arguments({"a": "true"}, ["a"]).flag("a")
    with pytest.raises(ToolError, match="surrogate"):
        Arguments({"a": "\ud800"}, ["a"]).text("a")
