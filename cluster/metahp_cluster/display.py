"""Who sees what while a sweep runs: people the view, the log everything else, both the warnings of MetaHP."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from metahp_cluster.quiet import noise_to
from metahp_cluster.views import NoView, View, view_on


@contextmanager
def display(log: Path, watch: TextIO | None) -> Iterator[View]:
    """Show progress on ``watch``, nowhere if None, and send all other output to ``log``."""
    is_terminal = watch is not None and watch.isatty()  # asked now: soon its descriptor leads to the log
    with noise_to(log, watch or sys.stdout) as stream:
        view = NoView() if watch is None else view_on(stream, is_terminal=is_terminal)
        handler = _ToView(view)
        loggers = [logging.getLogger(name) for name in ("metahp", "metahp_searchers", "metahp_cluster")]
        for logger in loggers:
            logger.addHandler(handler)
        try:
            yield view
        finally:
            for logger in loggers:
                logger.removeHandler(handler)


class _ToView(logging.Handler):
    def __init__(self, view: View) -> None:
        super().__init__(logging.WARNING)
        self._view = view

    def emit(self, record: logging.LogRecord) -> None:
        self._view.say(f"{record.levelname.lower()}: {record.getMessage()}")
