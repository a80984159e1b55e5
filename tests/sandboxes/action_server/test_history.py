"""What can be undone is bounded."""

from sandboxes.action_server.history import Edit, History


def test_the_newest_edit_of_a_file_is_the_last() -> None:
    history = History()
    edits = [Edit("a", None, b"1"), Edit("b", None, b"2"), Edit("a", b"1", b"3")]
    for edit in edits:
        history.add(edit)
    assert history.last("a") is edits[2]
    history.remove(edits[2])
    assert history.last("a") is edits[0]
    assert history.last("c") is None


def test_old_edits_are_forgotten_by_number_and_by_size() -> None:
    history = History()
    for number in range(201):
        history.add(Edit(str(number), None, b""))
    assert history.last("0") is None
    assert history.last("1") is not None
    history.add(Edit("large", None, b"x" * (31 * 1024 * 1024)))
    history.add(Edit("larger", None, b"x" * (2 * 1024 * 1024)))
    assert history.last("large") is None
    assert history.last("larger") is not None
