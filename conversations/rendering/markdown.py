"""Markdown to HTML that is safe to show: raw HTML is text, what comes out is sanitised, nothing is loaded from outside."""

from collections.abc import Sequence
from html import escape
from typing import Any

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from mdit_py_plugins.tasklists import tasklists_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

HIGHLIGHT_LIMIT = 20_000  # characters; some lexers take their time
# A page has one h1 and an h2 a section, so a message's first heading is an h3.
HEADING_SHIFT = 2
TAGS = {
    *("p", "br", "hr", "h3", "h4", "h5", "h6", "strong", "em", "s", "a", "blockquote"),
    *("ul", "ol", "li", "input", "pre", "code", "span", "div"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {
    "a": {"href", "title", "target"},
    "ol": {"start"},
    "li": {"class"},
    "ul": {"class"},
    "input": {"type", "checked", "disabled", "class"},
    "pre": {"class"},
    "code": {"class"},
    "span": {"class"},
    "div": {"class"},
    "th": {"class"},
    "td": {"class"},
}
_formatter = HtmlFormatter(nowrap=True)


def render(text: str, *, keep_breaks: bool = False) -> SafeString:
    """The text as HTML. Pictures become links to them; with `keep_breaks` a line stays a line."""
    html = nh3.clean(
        (_with_breaks if keep_breaks else _parser).render(text),
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
    )
    return mark_safe(html)  # noqa: S308 - nh3 has just sanitised it


def highlighted(code: str, language: str) -> str:
    """The code as HTML with Pygments' classes; plain where the language is unknown or the code is long."""
    lexer = _lexer(language) if len(code) <= HIGHLIGHT_LIMIT else None
    return str(highlight(code, lexer, _formatter)) if lexer else escape(code)


def _lexer(language: str) -> Lexer | None:
    try:
        return get_lexer_by_name(language, stripnl=False) if language else None
    except ClassNotFound:
        return None


def _code_block(code: str, language: str, attributes: str) -> str:
    return f'<pre class="code"><code>{highlighted(code, language)}</code></pre>'


def _shift_headings(state: StateCore) -> None:
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1:]) + HEADING_SHIFT, 6)}"


def _image(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    token = tokens[index]
    source = str(token.attrGet("src") or "")
    label = renderer.renderInlineAsText(token.children, options, env) or source
    return f'<a href="{escape(source)}">{escape(label)}</a>'


def _cell(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    """A table's cell says how it is aligned by a class: the content security policy forbids style attributes."""
    token = tokens[index]
    style = str(token.attrs.pop("style", ""))
    if style:
        token.attrSet("class", style.replace("text-align:", "align-"))
    return renderer.renderToken(tokens, index, options, env)


def _make_parser(*, breaks: bool) -> MarkdownIt:
    options: dict[str, Any] = {"html": False, "breaks": breaks, "highlight": _code_block}
    parser = MarkdownIt("commonmark", options).enable(["table", "strikethrough"]).use(tasklists_plugin)
    parser.core.ruler.push("shift_headings", _shift_headings)
    parser.add_render_rule("image", _image)
    parser.add_render_rule("th_open", _cell)
    parser.add_render_rule("td_open", _cell)
    return parser


_parser = _make_parser(breaks=False)
_with_breaks = _make_parser(breaks=True)
