"""Everything that Ray, TensorFlow and the trials print goes to a file; the terminal is kept for people."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any, TextIO


@contextmanager
def noise_to(path: Path, terminal: TextIO) -> Iterator[TextIO]:
    """Send what this process and its children write to stdout and stderr to the end of ``path``.

    Done for the file descriptors, since C++ code and child processes do not know ``sys.stdout``.

    Args:
        path: the log file.
        terminal: where people look.

    Yields:
        A stream that still leads to ``terminal``.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
    with path.open("ab") as log, _same_place(terminal, kept) as way_out:
        try:
            for descriptor in kept:
                os.dup2(log.fileno(), descriptor)
            with redirect_stdout(_Lossy(1)), redirect_stderr(_Lossy(2)):
                yield way_out
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for descriptor, copy in kept.items():
                os.dup2(copy, descriptor)
                os.close(copy)


class _Lossy(io.TextIOWrapper):
    """What finds no room is lost: a full disk must not end a sweep whose results are elsewhere."""

    def __init__(self, descriptor: int) -> None:
        raw: Any = io.FileIO(descriptor, "w", closefd=False)  # unbuffered: nothing is left that fails later
        super().__init__(raw, encoding="utf-8", errors="replace", write_through=True)

    def write(self, text: str) -> int:
        with suppress(OSError):
            super().write(text)
        return len(text)


@contextmanager
def _same_place(stream: TextIO, kept: dict[int, int]) -> Iterator[TextIO]:
    """A stream to where ``stream`` leads before its descriptor is taken away."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError, io.UnsupportedOperation):
        descriptor = -1  # a notebook, a test: no file, so nothing is taken away
    if descriptor not in kept:
        yield stream
        return
    with os.fdopen(os.dup(kept[descriptor]), "w", encoding="utf-8", errors="replace", buffering=1) as copy:
        yield copy
