import re

import pytest

from conversations.rendering import markdown


@pytest.mark.parametrize(
    "attack",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<svg onload=alert(1)>",
        "<iframe src=https://example.com></iframe>",
        "<style>body{display:none}</style>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "[x](vbscript:msgbox)",
        "![x](javascript:alert(1))",
        '![x" onerror="alert(1)](https://example.com/"onerror="alert(1))',
        '[x](https://example.com "t" onclick="alert(1)")',
        '<https://example.com/" onmouseover="alert(1)>',
        "```html onclick=alert(1)\n<script>alert(1)</script>\n```",
        '```"><script>alert(1)</script>\nx\n```',
        "`<script>`",
        "| <script>alert(1)</script> |\n|---|\n| <img src=x onerror=alert(1)> |",
        "<a href=javascript:alert(1)>x</a>",
        "<form action=https://example.com><input name=password></form>",
        "<div style='position:fixed'>x</div>",
    ],
)
def test_nothing_in_a_message_becomes_active(attack: str) -> None:
    html = markdown.render(attack)
    assert not re.search(r"<(script|style|iframe|svg|form|img|object|embed|link|meta|base)\b", html, re.I)
    for tag in re.findall(r"<[a-z][^>]*>", html, re.I):
        outside_values = re.sub(r'"[^"]*"', '""', tag)
        assert not re.search(r"\s(on\w+|style)\s*=", outside_values, re.I), tag
    for target in re.findall(r'href="([^"]*)"', html):
        assert target.startswith(("http://", "https://", "mailto:")), target


def test_a_link_opens_elsewhere_and_tells_nothing_of_where_it_was() -> None:
    html = markdown.render("[docs](https://example.com/a?b=1&c=2)")
    assert 'href="https://example.com/a?b=1&amp;c=2"' in html
    assert 'rel="noopener noreferrer nofollow"' in html
    assert 'target="_blank"' in html


def test_a_picture_becomes_a_link_to_it_and_is_not_loaded() -> None:
    assert "<img" not in markdown.render("![a cat](https://example.com/cat.png)")
    assert ">a cat</a>" in markdown.render("![a cat](https://example.com/cat.png)")


def test_code_is_highlighted_by_classes_alone() -> None:
    html = markdown.render("```python\ndef f(): pass\n```")
    assert '<span class="k">def</span>' in html
    assert "style=" not in html


def test_code_in_an_unknown_language_is_shown_as_it_is() -> None:
    assert "&lt;b&gt;" in markdown.render("```no-such-language\n<b>\n```")


def test_a_long_block_of_code_is_not_highlighted() -> None:
    assert "<span" not in markdown.render("```python\n" + "x = 1\n" * 10_000 + "```")


def test_the_columns_of_a_table_are_aligned_by_classes() -> None:
    html = markdown.render("| a | b |\n|---|--:|\n| 1 | 2 |")
    assert '<td class="align-right">2</td>' in html
    assert "style=" not in html


def test_the_headings_of_a_message_stand_below_those_of_the_page() -> None:
    assert markdown.render("# One\n###### Six") == "<h3>One</h3>\n<h6>Six</h6>\n"


def test_a_person_s_lines_stay_lines() -> None:
    assert "<br>" in markdown.render("one\ntwo", keep_breaks=True)
    assert "<br>" not in markdown.render("one\ntwo")


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", ["*", "[", "`", "> ", "*a **a ", "|a", "![](", "<", "- ", "a\n"])
def test_what_is_made_to_take_long_does_not(piece: str) -> None:
    assert markdown.render((piece * 64_000)[:64_000])
