"""Words from elsewhere on a terminal: names in a store and in other tools' files are anybody's words."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # control, format (such as U+202E, which turns text round), surrogates, breaks


def printable(text: str) -> str:
    """The text on one line, with what a terminal would obey instead of show written out as Python escapes it."""
    return "".join(_shown(letter) for letter in text)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines, each as `printable` has it."""
    print("\n".join(map(printable, lines)))


def _shown(letter: str) -> str:
    if unicodedata.category(letter) not in _UNSEEN:
        return letter
    return letter.encode("unicode_escape", "backslashreplace").decode("ascii")
