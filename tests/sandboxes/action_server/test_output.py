"""What is kept of an output and what a model sees of it."""

import time
import tracemalloc
from pathlib import Path

import pytest

from sandboxes.action_server.output import Output, PlainText, plain
from tests.fakes.small_disk import SmallDisk

from .conftest import Conversation


@pytest.mark.parametrize(
    "printed, seen",
    [
        (b"plain\n", b"plain\n"),
        (b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07text\n", b"red text\n"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\\n", b"link\n"),
        (b"\x1b[2;5Hplaced\x1b[3Capart\n", b"\nplaced   apart\n"),
        (b"\x1b(B\x1b=\x1b>text\x1b[?25l\n", b"text\n"),
        (b" 10%\r 20%\r100%\n", b"100%\n"),
        (b" 10%\r 20%\r\n", b" 20%\n"),
        (b"dos\r\nlines\r\n", b"dos\nlines\n"),
        (b"one\x1b[2K\x1b[1Gtwo\n", b"two\n"),
        (b"N\x08NA\x08A\n", b"NA\n"),
        (b"|\x08/\x08-\x08done\n", b"done\n"),
        ("é\x08e\n".encode(), b"e\n"),
        (b"a\0b\x07c\x7f\n", b"abc\n"),
        (b"lone \x1b", b"lone "),
    ],
)
def test_control_characters_become_what_a_reader_sees(printed: bytes, seen: bytes) -> None:
    assert plain(printed) == seen


def test_text_cut_anywhere_reads_the_same() -> None:
    data = "naïve \x1b[31mré\x1b[0msumé ✓\n10%\r20%\r\n".encode() * 3
    whole = PlainText().feed(data)
    for cut in range(len(data)):
        text = PlainText()
        assert text.feed(data[:cut]) + text.feed(data[cut:]) == whole


@pytest.mark.parametrize("piece", [b"\0", b"\x08", b"x", b"50%\r", b"\x1b[", b"\xff", b"\x1b]"])
def test_hostile_floods_take_bounded_memory_and_linear_time(tmp_path: Path, piece: bytes) -> None:
    output = Output(tmp_path / "out" / "1.txt")
    block = (piece * 65536)[:65536]
    begun = time.monotonic()
    tracemalloc.start()
    for _ in range(16):
        output.feed(block)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    seen = output.take()
    assert len(seen.head) + len(seen.tail) <= 30_000
    assert peak < 8 * 1024 * 1024
    assert time.monotonic() - begun < 60
    output.close()
    assert output.path.stat().st_size == 16 * 65536


def test_a_short_output_makes_no_file(tmp_path: Path) -> None:
    output = Output(tmp_path / "out" / "1.txt")
    output.feed(b"x" * 30_000)
    assert output.take() == ("x" * 30_000, "", 0)
    assert not output.is_in_file
    assert not output.path.exists()


def test_a_long_output_shows_both_ends_and_counts_what_is_between(tmp_path: Path) -> None:
    output = Output(tmp_path / "out" / "1.txt")
    for number in range(10_000):
        output.feed(b"%07d\n" % number)
    seen = output.take()
    assert seen.omitted == 50_000
    assert (len(seen.head), len(seen.tail)) == (15_000, 15_000)
    assert seen.head.startswith("0000000\n")
    assert seen.tail.endswith("0009999\n")
    output.feed(b"later\n")
    assert output.take() == ("later\n", "", 0)
    output.close()
    assert output.path.read_bytes() == b"".join(b"%07d\n" % number for number in range(10_000)) + b"later\n"


def test_the_file_has_a_limit_and_says_so(tmp_path: Path) -> None:
    output = Output(tmp_path / "out" / "1.txt", file_bytes=50_000)
    output.feed(b"x" * 40_000)
    assert not output.is_cut
    output.feed(b"x" * 20_000)
    output.feed(b"x" * 20_000)
    output.close()
    assert output.is_cut
    assert output.path.stat().st_size == 50_000


def test_an_output_survives_a_folder_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file in the way")
    output = Output(tmp_path / "out" / "1.txt")
    output.feed(b"x" * 40_000)
    assert output.is_cut
    assert not output.is_in_file
    assert output.take().omitted == 10_000


@pytest.mark.service("tmpfs")
def test_an_output_survives_a_disk_that_gets_full(tmp_path: Path) -> None:
    with SmallDisk(tmp_path / "small", 1) as disk:
        output = Output(disk.folder / "out" / "1.txt")
        output.feed(b"x" * 40_000)
        assert not output.is_cut
        disk.fill()
        output.feed(b"y" * 40_000)
        seen = output.take()
        output.close()
        assert output.is_cut
        assert (seen.head, seen.tail, seen.omitted) == ("x" * 15_000, "y" * 15_000, 50_000)
        assert output.path.read_bytes().startswith(b"x" * 40_000)


def test_what_an_observation_names_is_in_the_file(tmp_path: Path) -> None:
    output = Output(tmp_path / "out" / "1.txt")
    output.feed(b"x" * 40_000)
    output.take()
    assert output.path.stat().st_size == 40_000
    output.close()


def test_invalid_utf8_and_nul_bytes_are_shown_sensibly(conversation: Conversation) -> None:
    assert conversation.text(r"printf 'a\377\376b\000c\n'") == "a\ufffd\ufffdbc"


def test_a_progress_bar_is_seen_in_its_last_state(conversation: Conversation) -> None:
    assert conversation.text(r"for i in 10 50 100; do printf '%3d%%\r' $i; done; echo") == "100%"


def test_two_hundred_megabytes_leave_the_server_small(conversation: Conversation) -> None:
    begun = time.monotonic()
    result = conversation.terminal("yes 'a line of some length, as programs print' | head -c 200000000")
    assert time.monotonic() - begun < 30
    text = result.content[0].text
    assert len(text) < 30_300
    assert result.meta["truncated"] is True
    assert result.meta["omitted_characters"] == 200_000_000 - 30_000
    assert (
        f"[199,970,000 characters are left out here; the whole output is in {result.meta['output_file']}]"
        in text
    )
    assert conversation.text(f"wc -c < {result.meta['output_file']}") == "200000000"
    status = Path(f"/proc/{conversation.server.process.pid}/status").read_text()
    peak_kb = int(status.partition("VmHWM:")[2].split()[0])
    assert peak_kb < 100_000
    viewed = conversation.act(
        "file_editor", command="view", path=result.meta["output_file"], view_range=[1, 2]
    )
    assert viewed.outcome == "error"  # It is far too large for the editor, which says what to do instead.
    assert "sed -n" in viewed.content[0].text
    conversation.terminal(f"rm {result.meta['output_file']}")


def test_an_output_file_can_be_viewed_and_not_edited(conversation: Conversation) -> None:
    path = conversation.terminal("seq 10000").meta["output_file"]
    viewed = conversation.act("file_editor", command="view", path=path, view_range=[9999, -1])
    assert viewed.content[0].text == "  9999\t9999\n 10000\t10000"
    edited = conversation.act("file_editor", command="insert", path=path, insert_line=0, new_str="x")
    assert edited.outcome == "error"
