"""How a sweep is asked to end: Ctrl-C, SIGTERM, its hours, or nothing but failures."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class SweepHaltedError(Exception):
    """Raised in Tune's loop to end it; running trials stay unfinished in the store, a resume begins with them."""


class Brake:
    """Asked for once, obeyed at the end of the next step of Tune's loop.

    Attributes:
        reason: why the sweep is to end, or None.
        signal_number: the signal that asked, or None.
        time_is_up: whether the hours asked.
    """

    def __init__(self) -> None:
        self.reason: str | None = None
        self.signal_number: int | None = None
        self.time_is_up = False

    def pull(self, reason: str) -> None:
        """Ask for the end; the first reason counts."""
        self.reason = self.reason or reason

    def pull_after(self, hours: float) -> None:
        """Ask for the end because so many hours are over."""
        self.time_is_up = self.reason is None
        self.pull(f"the budget of {hours:g} hours is used up")

    def obey(self) -> None:
        """Raises `SweepHaltedError` if the end was asked for."""
        if self.reason:
            raise SweepHaltedError(self.reason)

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM ask for the end; a second one does not wait for it."""
        if threading.current_thread() is not threading.main_thread():
            yield  # Python handles signals in the main thread alone
            return
        before = {number: signal.signal(number, self._received) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _received(self, number: int, frame: FrameType | None) -> None:
        if self.signal_number is not None:
            raise KeyboardInterrupt
        self.signal_number = number
        self.pull(f"interrupted by {signal.Signals(number).name}")
