"""Small pieces of HTML. What is put into them is escaped: names in a store are anybody's words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from markupsafe import Markup

Cell = str | Markup

_LONGEST_BIG = 14  # characters of a tile that are written large


def table(head: Sequence[Cell], rows: Iterable[Sequence[Cell]], caption: str = "") -> Markup:
    """A table that scrolls sideways by itself where a page is narrow; cells that look like numbers end alike."""
    titles = Markup().join(Markup("<th scope='col'>{}</th>").format(cell) for cell in head)
    body = Markup().join(Markup("<tr>{}</tr>").format(Markup().join(map(_cell, row))) for row in rows)
    told = Markup("<caption class='unseen'>{}</caption>").format(caption) if caption else Markup()
    return Markup("<div class='wide'><table>{}<thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>").format(
        told, titles, body
    )


def _cell(content: Cell) -> Markup:
    numeric = not isinstance(content, Markup) and _NUMBER.fullmatch(content)
    return Markup("<td class='number'>{}</td>" if numeric else "<td>{}</td>").format(content)


_NUMBER = re.compile(r"[-+]?[\d,.]+(e[-+]?\d+)?( ?%)?|–|[\d.]+ (s|min|h)")


def paragraphs(lines: Iterable[str]) -> Markup:
    """A paragraph for each line."""
    return Markup().join(Markup("<p>{}</p>").format(line) for line in lines)


def note(text: Cell) -> Markup:
    """A remark."""
    return Markup("<p class='note'>{}</p>").format(text)


def code(text: str, name: str) -> Markup:
    """Code with a button that copies it.

    Args:
        text: the code.
        name: unique in the page.
    """
    button = Markup("<button type='button' class='copy' data-copy='{0}'>Copy</button>").format(name)
    return Markup("<div class='code'>{}<pre tabindex='0'><code id='{}'>{}</code></pre></div>").format(
        button, name, text
    )


def link(target: str | None, text: str) -> Markup:
    """A link, or the text alone where there is nowhere to go."""
    return Markup("<a href='{}'>{}</a>").format(target, text) if target else Markup("{}").format(text)


def badge(kind: str, text: str | None = None) -> Markup:
    """A word in a small coloured frame.

    Args:
        kind: chooses the colour, see ``style.css``.
        text: the word, by default the kind.
    """
    return Markup("<span class='badge {}'>{}</span>").format(re.sub(r"\W", "", kind), text or kind)


def number(value: float | None) -> str:
    """A score in six digits, or a dash."""
    return "–" if value is None else f"{value:.6g}"


def duration(seconds: float) -> str:
    """Seconds as people say them, a dash where there are none."""
    if seconds <= 0:
        return "–"
    for size, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def ago(then: datetime, now: datetime) -> Markup:
    """How long ago something was, with the moment itself for those who want to know."""
    seconds = (now - then).total_seconds()
    text = "just now"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            text = f"{seconds // size:.0f} {unit} ago"
            break
    return Markup("<time datetime='{}' title='{}'>{}</time>").format(
        then.isoformat(timespec="seconds"), f"{then:%Y-%m-%d %H:%M:%S} UTC", text
    )


def tiles(facts: Iterable[tuple[str, Cell]]) -> Markup:
    """What a thing came to, each fact with its name above."""
    return Markup("<dl class='tiles'>{}</dl>").format(Markup().join(_tile(name, value) for name, value in facts))


def _tile(name: str, value: Cell) -> Markup:
    is_long = not isinstance(value, Markup) and len(value) > _LONGEST_BIG
    size = Markup(" class='long'") if is_long else Markup()
    return Markup("<div><dt>{}</dt><dd{}>{}</dd></div>").format(name, size, value)
