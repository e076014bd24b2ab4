"""Writes a sweep to the store from inside Tune's loop: never raises, seldom waits, keeps what the store refuses."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from metahp.errors import MetaHPError, StoreError
from metahp.store import SweepWriter

FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
MOST_WAITING = 10_000  # entries in memory, some tens of MB
HOLD_S = 10.0  # no longer at once, so that Ctrl-C is heard

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Entry:
    trial_id: str
    write: Callable[[SweepWriter], object]
    is_start: bool


class Recorder:
    """The way of one sweep into the store.

    What the store refuses (a full disk, a directory that went away) waits in memory and is tried again, in order,
    after 0.5 s, 1 s, … 30 s: with the next thing recorded, or by `retry`. One message says so, one that it is over.
    When 10,000 entries wait, each further one holds up Tune for ten seconds, and with it the trials: memory does not
    fill up as long as somebody may still make room. Nothing is dropped.

    Args:
        open_writer: opens the sweep in the store.
        clock: seconds that never go back.
        sleep: waits for so many seconds; used by `close`, and by `add` when too much waits.
    """

    def __init__(
        self,
        open_writer: Callable[[], SweepWriter],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._open_writer = open_writer
        self._clock = clock
        self._sleep = sleep
        self._writer: SweepWriter | None = None
        self._waiting: deque[_Entry] = deque()
        self._refused: set[str] = set()
        self._delay_s = 0.0
        self._not_before = 0.0

    @property
    def backlog(self) -> int:
        """How many entries wait for the store."""
        return len(self._waiting)

    def writer(self) -> SweepWriter:
        """The open writer.

        Raises:
            StoreError: the store cannot be written.
        """
        if self._writer is None:
            self._writer = self._open_writer()
        return self._writer

    def add(self, trial_id: str, write: Callable[[SweepWriter], object], *, is_start: bool = False) -> None:
        """Records something about a trial, now or when the store works; a trial whose start is refused is left out."""
        self._hold_up()
        self._waiting.append(_Entry(trial_id, write, is_start))
        self.retry()

    def retry(self) -> None:
        """Writes what waits, unless the store refused only a moment ago."""
        if self._waiting and self._clock() >= self._not_before:
            self._drain()

    def close(self, state: str, *, wait_s: float = 10.0) -> None:
        """Publishes everything and ends the writer; gives a store that refuses another ``wait_s`` seconds."""
        deadline = self._clock() + wait_s
        self._not_before = 0.0
        self.retry()
        while self._waiting and self._clock() < deadline:
            self._sleep(min(self._delay_s, 1.0))
            self._not_before = 0.0
            self.retry()
        if self._waiting:
            _log.error("%d entries of the sweep could not be written; they are lost with this process", self.backlog)
        self._close_writer(state)

    def _hold_up(self) -> None:
        """Waits for the store to work again, a while, when there is no room for more."""
        if self.backlog < MOST_WAITING:
            return
        if self.backlog == MOST_WAITING:
            _log.error("%d results wait for the store; the sweep pauses until it works again", self.backlog)
        deadline = self._clock() + HOLD_S
        while self.backlog >= MOST_WAITING and self._clock() < deadline:
            self._sleep(1.0)
            self.retry()

    def _close_writer(self, state: str) -> None:
        writer, self._writer = self._writer, None
        try:
            if writer is not None:
                writer.close(state)
        except StoreError as problem:
            _log.error("the end of the sweep is not published yet, nothing recorded is lost: %s", problem)
        except Exception:
            _log.exception("the sweep could not be closed")

    def _drain(self) -> None:
        while self._waiting:
            entry = self._waiting[0]
            try:
                if entry.trial_id not in self._refused:
                    entry.write(self.writer())
            except StoreError as problem:
                self._back_off(problem)
                return
            except Exception as problem:
                self._refuse(entry, problem)
            self._waiting.popleft()
        if self._delay_s:
            _log.warning("the store works again; everything that waited has been written")
        self._delay_s = 0.0

    def _back_off(self, problem: StoreError) -> None:
        if not self._delay_s:
            _log.error("%s. The sweep goes on; its results wait in memory until the store works again", problem)
        self._delay_s = min(max(2 * self._delay_s, FIRST_DELAY_S), LONGEST_DELAY_S)
        self._not_before = self._clock() + self._delay_s

    def _refuse(self, entry: _Entry, problem: Exception) -> None:
        """Gives up on what can never be recorded, so that the rest is not held up."""
        if entry.is_start:
            self._refused.add(entry.trial_id)
        trace = None if isinstance(problem, MetaHPError) else problem
        _log.error("not recorded of trial %s: %s", entry.trial_id, problem, exc_info=trace)
