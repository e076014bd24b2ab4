"""Tables for people: aligned where they fit, one line a cell where the terminal is too narrow; nothing is cut off."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence

from metahp_cluster.printable import printable

_UNLIMITED = 1_000_000
_GAP = 2


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table.

    Args:
        head: names of the columns; the first one says what a row is about.
        rows: as many cells each.
    """
    for line in lines(head, [[printable(cell) for cell in row] for row in rows], width()):
        print(line)


def width() -> int:
    """Columns that lines may take: those of the terminal, without limit where no terminal is written to."""
    if os.environ.get("COLUMNS") or sys.stdout.isatty():
        return shutil.get_terminal_size().columns
    return _UNLIMITED


def lines(head: Sequence[str], rows: Sequence[Sequence[str]], most: int) -> Iterator[str]:
    """A table of at most so many columns; a cell that is wider by itself is left as it is."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    if sum(widths) + _GAP * (len(widths) - 1) > most:
        yield from _stacked(head, rows)
        return
    for row in (head, *rows):
        yield (" " * _GAP).join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip()


def _stacked(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for first, *rest in rows:
        yield first
        yield from (f"  {name}: {cell}" for name, cell in zip(head[1:], rest, strict=True) if cell)
