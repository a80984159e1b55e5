import pytest

from conversations.titles import title_from, without_marks


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Mend the roof", "Mend the roof"),
        ("\n\n## Mend **the** `roof`:\n\nIt leaks.", "Mend the roof"),
        ("- [ ] Read [the plan](https://example.com/plan) first", "Read the plan first"),
        ("```bash\nls\n```", "ls"),
        ("> \n# \n", "New conversation"),
        ("word " * 40, "word " * 15 + "word…"),
    ],
)
def test_a_title_is_the_first_line_that_says_something(text: str, title: str) -> None:
    assert title_from(text) == title


def test_a_line_keeps_what_only_looks_like_a_mark() -> None:
    assert without_marks("snake_case, a-b and 2 * 3") == "snake_case, a-b and 2 * 3"
