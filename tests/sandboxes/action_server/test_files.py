"""The file editor, called as the action server calls it but without HTTP."""

import base64
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from sandboxes.action_server.errors import ToolError
from sandboxes.action_server.files import FileEditor
from sandboxes.protocol import Result

from .conftest import Conversation

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


class Editor:
    def __init__(self, workspace: Path) -> None:
        self.workspace = workspace
        self._editor = FileEditor(workspace, readable=workspace.parent / "output")

    def __call__(self, command: str, path: object, **arguments: Any) -> Result:
        return self._editor.execute({"command": command, "path": str(path), **arguments})

    def text(self, command: str, path: object, **arguments: Any) -> str:
        return self(command, path, **arguments).content[0].text

    def error(self, command: str, path: object, **arguments: Any) -> str:
        with pytest.raises(ToolError) as error:
            self(command, path, **arguments)
        return str(error.value)


@pytest.fixture
def edit(tmp_path: Path) -> Editor:
    (tmp_path / "ws").mkdir()
    return Editor(tmp_path / "ws")


def numbered(count: int) -> str:
    return "".join(f"line {number}\n" for number in range(1, count + 1))


def test_view_numbers_the_lines(edit: Editor) -> None:
    (edit.workspace / "a.txt").write_text("one\ntwo\n\nlast without end")
    result = edit("view", "a.txt")
    assert result.content[0].text == "     1\tone\n     2\ttwo\n     3\t\n     4\tlast without end"
    assert result.meta == {"path": str(edit.workspace / "a.txt"), "lines": 4, "truncated": False}


@pytest.mark.parametrize(
    "wanted, first, last", [([2, 3], 2, 3), ([9, -1], 9, 10), ([1, 1], 1, 1), ([8, 99], 8, 10)]
)
def test_view_shows_a_range(edit: Editor, wanted: list[int], first: int, last: int) -> None:
    (edit.workspace / "a").write_text(numbered(10))
    lines = edit.text("view", "a", view_range=wanted).split("\n")
    assert lines[0].endswith(f"{first}\tline {first}")
    assert lines[-1].endswith(f"{last}\tline {last}")
    assert len(lines) == last - first + 1


@pytest.mark.parametrize("wanted", [[0, 3], [11, 12], [5, 4], [-1, -1], [3, 0], [3, -2]])
def test_a_range_that_does_not_fit_says_how_many_lines_there_are(edit: Editor, wanted: list[int]) -> None:
    (edit.workspace / "a").write_text(numbered(10))
    assert "has 10 lines" in edit.error("view", "a", view_range=wanted)


def test_view_of_a_long_file_says_how_to_go_on(edit: Editor) -> None:
    (edit.workspace / "a").write_text(numbered(5000))
    result = edit("view", "a")
    text = result.content[0].text
    assert len(text) < 31_000
    assert result.meta["truncated"] is True
    shown = text.count("\tline")
    assert f"[{5000 - shown:,} more lines are left out; go on with view_range [{shown + 1}, 5000].]" in text
    assert edit.text("view", "a", view_range=[shown + 1, shown + 1]).endswith(f"line {shown + 1}")


def test_view_cuts_a_very_long_line(edit: Editor) -> None:
    (edit.workspace / "a").write_text("x" * 100_000 + "\nnext\n")
    text = edit.text("view", "a")
    assert "[98,000 more characters]" in text
    assert text.endswith("\tnext")


def test_view_of_an_empty_file_says_so(edit: Editor) -> None:
    (edit.workspace / "a").touch()
    assert edit.text("view", "a") == "[The file is empty.]"


def test_view_lists_a_folder_two_levels_deep(edit: Editor) -> None:
    for name in ("b/c/too-deep", "a.txt", ".hidden/x", "b/.git/config", "b/d.py"):
        (edit.workspace / name).parent.mkdir(parents=True, exist_ok=True)
        (edit.workspace / name).touch()
    (edit.workspace / "link").symlink_to("/")
    assert edit.text("view", ".") == (
        f"{edit.workspace}, two levels deep:\na.txt\nb/\nb/c/\nb/d.py\nlink@\n"
        "[2 hidden items are left out; `ls -A` shows them.]"
    )
    assert "no lines" in edit.error("view", ".", view_range=[1, 2])


def test_a_folder_with_very_many_items_is_cut(edit: Editor) -> None:
    for number in range(1_005):
        (edit.workspace / f"{number:04}").touch()
    text = edit.text("view", edit.workspace)
    assert "[5 more items are left out" in text


@pytest.mark.parametrize(
    "data, media_type",
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0rest", "image/jpeg"),
        (b"GIF89a\0", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
    ],
)
def test_an_image_is_shown_as_one_whatever_its_name(edit: Editor, data: bytes, media_type: str) -> None:
    (edit.workspace / "picture.txt").write_bytes(data)
    part = edit("view", "picture.txt").content[0]
    assert (part.type, part.media_type) == ("image", media_type)
    assert base64.b64decode(part.data) == data


def test_an_image_that_is_too_large_is_refused(edit: Editor) -> None:
    (edit.workspace / "big.png").write_bytes(PNG + b"\0" * 5 * 1024 * 1024)
    assert "smaller copy" in edit.error("view", "big.png")


def test_create_makes_the_parents_and_shows_a_diff(edit: Editor) -> None:
    result = edit("create", "deep/er/new.txt", file_text="one\ntwo\n")
    path = edit.workspace / "deep" / "er" / "new.txt"
    assert path.read_bytes() == b"one\ntwo\n"
    assert result.content[0].text == f"Created {path} with 2 lines."
    assert result.meta == {"path": str(path), "diff": "@@ -0,0 +1,2 @@\n+one\n+two"}
    umask = os.umask(0)
    os.umask(umask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask


def test_create_refuses_to_replace(edit: Editor) -> None:
    (edit.workspace / "a").write_text("mine")
    (edit.workspace / "dangling").symlink_to("nowhere")
    assert "str_replace" in edit.error("create", "a", file_text="yours")
    assert (edit.workspace / "a").read_text() == "mine"
    assert "exists already" in edit.error("create", ".", file_text="x")
    assert "on the way to it is a file" in edit.error("create", "a/b", file_text="x")
    assert "on the way to it is a file" in edit.error("create", "a/b/c", file_text="x")


def test_str_replace_shows_the_place_and_a_diff(edit: Editor) -> None:
    (edit.workspace / "a").write_text(numbered(20))
    result = edit("str_replace", "a", old_str="line 10\n", new_str="ten\nand a half\n")
    assert (edit.workspace / "a").read_text() == numbered(20).replace("line 10\n", "ten\nand a half\n")
    text = result.content[0].text
    assert "\n    10\tten\n    11\tand a half\n    12\tline 11\n" in text
    assert text.splitlines()[1] == "     6\tline 6"
    assert result.meta["diff"] == (
        "@@ -7,7 +7,8 @@\n line 7\n line 8\n line 9\n-line 10\n+ten\n+and a half\n line 11\n line 12\n line 13"
    )


def test_str_replace_without_a_new_text_deletes(edit: Editor) -> None:
    (edit.workspace / "a").write_text("keep drop keep")
    edit("str_replace", "a", old_str=" drop")
    assert (edit.workspace / "a").read_text() == "keep keep"


def test_str_replace_names_the_lines_of_several_matches(edit: Editor) -> None:
    (edit.workspace / "a").write_text("x\nsame\ny\nsame\nsame\n")
    assert "stands 3 times" in edit.error("str_replace", "a", old_str="same", new_str="other")
    assert "in the lines 2, 4, 5." in edit.error("str_replace", "a", old_str="same", new_str="other")
    (edit.workspace / "b").write_text("aaa")
    assert "stands 2 times" in edit.error("str_replace", "b", old_str="aa", new_str="b")


def test_str_replace_without_a_match_hints_at_white_space(edit: Editor) -> None:
    (edit.workspace / "a").write_text("def f():\n    return  1\n")
    message = edit.error("str_replace", "a", old_str="def f():\n  return 1", new_str="x")
    assert "It would match in line 1 but for white space" in message
    assert "does not stand in" in edit.error("str_replace", "a", old_str="nothing like it", new_str="x")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"old_str": "", "new_str": "x"}, "old_str is empty"),
        ({"old_str": "x", "new_str": "x"}, "nothing would change"),
        ({"new_str": "x"}, "old_str is missing"),
    ],
)
def test_a_pointless_replacement_is_refused(edit: Editor, arguments: dict[str, str], message: str) -> None:
    (edit.workspace / "a").write_text("x")
    assert message in edit.error("str_replace", "a", **arguments)


@pytest.mark.parametrize(
    "before, after_line, text, after",
    [
        ("one\ntwo\n", 0, "zero", "zero\none\ntwo\n"),
        ("one\ntwo\n", 1, "half\n", "one\nhalf\ntwo\n"),
        ("one\ntwo\n", 2, "three", "one\ntwo\nthree\n"),
        ("one\ntwo", 2, "three", "one\ntwo\nthree"),
        ("", 0, "first", "first\n"),
        ("one\r\ntwo\r\n", 1, "a\nb", "one\r\na\r\nb\r\ntwo\r\n"),
        ("one\r\ntwo", 2, "three", "one\r\ntwo\r\nthree"),
    ],
)
def test_insert_puts_lines_after_a_line(
    edit: Editor, before: str, after_line: int, text: str, after: str
) -> None:
    path = edit.workspace / "a"
    path.write_bytes(before.encode())
    edit("insert", "a", insert_line=after_line, new_str=text)
    assert path.read_bytes() == after.encode()


@pytest.mark.parametrize("line", [-1, 3])
def test_insert_outside_the_file_names_the_bounds(edit: Editor, line: int) -> None:
    (edit.workspace / "a").write_text("one\ntwo\n")
    assert "to 2 (after the last line)" in edit.error("insert", "a", insert_line=line, new_str="x")


def test_undo_goes_back_step_by_step_and_removes_what_was_created(edit: Editor) -> None:
    path = edit.workspace / "a"
    edit("create", "a", file_text="one\n")
    edit("str_replace", "a", old_str="one", new_str="two")
    edit("insert", "a", insert_line=1, new_str="three")
    result = edit("undo_edit", "a")
    assert path.read_text() == "two\n"
    assert result.meta["diff"] == "@@ -1,2 +1 @@\n two\n-three"
    edit("undo_edit", "a")
    assert path.read_text() == "one\n"
    edit("undo_edit", "a")
    assert not path.exists()
    assert "no edit" in edit.error("undo_edit", "a")


def test_undo_does_not_lose_what_a_command_has_changed(edit: Editor) -> None:
    edit("create", "a", file_text="one\n")
    (edit.workspace / "a").write_text("changed\n")
    assert "changed since" in edit.error("undo_edit", "a")
    (edit.workspace / "a").unlink()
    assert "does not exist" in edit.error("undo_edit", "a")


@pytest.mark.parametrize(
    "data",
    [
        "grün\n".encode(),
        b"\xef\xbb\xbf" + "grün\n".encode(),
        "grün\n".encode("utf-16"),
        b"\xfe\xff" + "grün\n".encode("utf-16-be"),
        "grün\n".encode("latin-1"),
        "grün\r\nrot\r\n".encode(),
        "grün\r\nmixed\nlines\r\n".encode(),
        "no end: grün".encode(),
    ],
)
def test_encoding_and_line_endings_survive_an_edit(edit: Editor, data: bytes) -> None:
    path = edit.workspace / "a"
    path.write_bytes(data)
    edit("str_replace", "a", old_str="grün", new_str="brün")
    assert path.read_bytes() == data.replace(b"g", b"b", 1)
    edit("undo_edit", "a")
    assert path.read_bytes() == data


def test_a_replacement_over_several_lines_fits_a_windows_file(edit: Editor) -> None:
    path = edit.workspace / "a"
    path.write_bytes(b"one\r\ntwo\r\nthree\r\n")
    edit("str_replace", "a", old_str="one\ntwo\n", new_str="1\n2\n")
    assert path.read_bytes() == b"1\r\n2\r\nthree\r\n"


def test_a_character_that_the_encoding_lacks_is_refused(edit: Editor) -> None:
    path = edit.workspace / "a"
    path.write_bytes("grün".encode("latin-1"))
    assert "latin-1, which has no '€'" in edit.error("str_replace", "a", old_str="g", new_str="€")
    assert path.read_bytes() == "grün".encode("latin-1")


def test_mode_and_symlink_survive_an_edit(edit: Editor) -> None:
    path = edit.workspace / "script"
    path.write_text("echo one\n")
    path.chmod(0o750)
    (edit.workspace / "link").symlink_to("script")
    edit("str_replace", "link", old_str="one", new_str="two")
    assert (edit.workspace / "link").is_symlink()
    assert path.read_text() == "echo two\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o750


def test_a_failed_write_leaves_the_file_and_no_remains(edit: Editor) -> None:
    (edit.workspace / "a").write_text("x")
    too_large = "y" * (10 * 1024 * 1024 + 1)
    assert "this tool takes up to" in edit.error("str_replace", "a", old_str="x", new_str=too_large)
    assert [path.name for path in edit.workspace.iterdir()] == ["a"]
    assert (edit.workspace / "a").read_text() == "x"


@pytest.mark.parametrize("command", ["view", "str_replace", "insert"])
def test_files_that_are_no_text_have_clear_errors(edit: Editor, command: str) -> None:
    arguments: dict[str, dict[str, Any]] = {
        "str_replace": {"old_str": "a", "new_str": "b"},
        "insert": {"insert_line": 0, "new_str": "x"},
    }
    more = arguments.get(command, {})
    (edit.workspace / "binary").write_bytes(b"\x7fELF\0\1\2")
    (edit.workspace / "noise").write_bytes(bytes(range(1, 256)))
    (edit.workspace / "large").write_bytes(b"x" * (10 * 1024 * 1024 + 1))
    os.mkfifo(edit.workspace / "fifo")
    assert "binary file" in edit.error(command, "binary", **more)
    assert "binary file" in edit.error(command, "noise", **more)
    assert "takes up to 10,485,760" in edit.error(command, "large", **more)
    assert "not a regular file" in edit.error(command, "fifo", **more)
    assert "does not exist" in edit.error(command, "missing", **more)
    if command != "view":
        assert "is a folder" in edit.error(command, ".", **more)


def test_paths_outside_are_refused_through_every_door(edit: Editor, tmp_path: Path) -> None:
    outside = "/etc/hostname"
    (edit.workspace / "link").symlink_to(outside)
    (edit.workspace / "folder").symlink_to("/etc")
    for path in (
        outside,
        "../../../../../../etc/hostname",
        "link",
        "folder/hostname",
        "/tmp/../etc/hostname",
    ):
        message = edit.error("view", path)
        assert "outside the workspace" in message
        assert "terminal" in message
    assert "outside" in edit.error("create", "/etc/openhands-must-not-exist", file_text="x")
    for path in ("", "\0", "a\0b"):
        assert "path" in edit.error("view", path)


def test_outputs_may_be_viewed_and_not_changed(edit: Editor, tmp_path: Path) -> None:
    output = tmp_path / "output" / "1.txt"
    output.parent.mkdir()
    output.write_text("printed\n")
    assert edit.text("view", output) == "     1\tprinted"
    assert "outside" in edit.error("str_replace", output, old_str="p", new_str="P")


def test_an_unknown_command_is_told_the_known_ones(edit: Editor) -> None:
    assert "view, create, str_replace, insert, undo_edit" in edit.error("remove", "a")


def test_a_name_that_is_not_utf8_can_be_listed(edit: Editor) -> None:
    (Path(os.fsdecode(os.fsencode(edit.workspace) + b"/caf\xe9"))).touch()
    assert "caf\ufffd" in edit.text("view", edit.workspace)


def test_an_editor_action_over_http_answers_and_undoes(conversation: Conversation) -> None:
    name = f"{conversation.id}.txt"
    assert conversation.act("file_editor", command="create", path=name, file_text="one\n").outcome == "ok"
    assert conversation.text(f"cat {name}") == "one"
    assert conversation.act("file_editor", command="undo_edit", path=name).outcome == "ok"
    missing = conversation.act("file_editor", command="view", path=name)
    assert missing.outcome == "error"
    assert "does not exist" in missing.content[0].text
