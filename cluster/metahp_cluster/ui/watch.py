"""The store as the pages see it: asked for news at most once a second, whoever asks, and read only where it is new."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from metahp.store import Store
from metahp.store.follow import Log
from metahp_cluster.summary import Summary, summarise
from metahp_cluster.sweep_view import SweepView

LOOK_EVERY_S = 1.0
SILENT_AFTER = timedelta(minutes=15)  # a driver that has said nothing for so long may be dead, or its epochs are long
STEADY_S = 20.0  # what takes long to work out and changes slowly is shown as it was up to so long ago

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Entry:
    """A sweep in the list.

    Attributes:
        summary: in few numbers.
        log: what its drivers say about it.
    """

    summary: Summary
    log: Log

    def state(self, now: datetime) -> str:
        """How it stands, in a word: ``running``, ``silent``, or what the driver gave when it closed the sweep."""
        if self.log.state != "running":
            return self.log.state or "completed"
        return "silent" if now - self.log.latest > SILENT_AFTER else "running"


class Watch:
    """The sweeps of a store; safe for several threads.

    Args:
        store: the store.
        clock: seconds, for how often is looked.
    """

    def __init__(self, store: Store, clock: Clock = time.monotonic) -> None:
        self.store = store
        self._clock = clock
        self._lock = threading.RLock()
        self._follower = store.follow()
        self._looked_at: float | None = None
        self._revision = 0
        self._revisions: dict[str, int] = {}
        self._holes: tuple[str, ...] = ()
        self._entries: dict[str, tuple[int, Entry]] = {}
        self._view: tuple[int, SweepView] | None = None  # the last one asked for: its page asks for many parts
        self._steady: tuple[float, SweepView] | None = None

    def revision(self, sweep_id: str | None = None) -> int:
        """A number that grows when a sweep has something new; without one, when any has.

        Raises:
            StoreError: the store cannot be reached.
        """
        with self._lock:
            self._look()
            return self._revision if sweep_id is None else self._revisions.get(sweep_id, 0)

    def holes(self) -> Sequence[str]:
        """The rows that were damaged or lost, in words.

        Raises:
            StoreError: the store cannot be reached.
        """
        with self._lock:
            self._look()
            return self._holes

    def entries(self) -> list[Entry]:
        """All sweeps, the newest first.

        Raises:
            StoreError: the store cannot be reached.
        """
        with self._lock:
            self._look()
            return [self._entry(sweep.sweep_id) for sweep in reversed(self._follower.sweeps)]

    def entry(self, sweep_id: str) -> Entry:
        """One sweep of the list.

        Raises:
            StoreError: there is none, or the store cannot be reached.
        """
        with self._lock:
            self._look()
            return self._entry(sweep_id)

    def view(self, sweep_id: str) -> SweepView:
        """A sweep with all that its page shows.

        Raises:
            StoreError: there is no such sweep, or the store cannot be reached.
        """
        with self._lock:
            self._look()
            if self._view is None or self._view[0] != self._revision or self._view[1].sweep_id != sweep_id:
                self._view = self._revision, self._made(sweep_id)
            return self._view[1]

    def steady_view(self, sweep_id: str) -> SweepView:
        """The same as it was up to `STEADY_S` seconds ago.

        Raises:
            StoreError: there is no such sweep, or the store cannot be reached.
        """
        with self._lock:
            now = self._clock()
            if self._steady is None or now - self._steady[0] > STEADY_S or self._steady[1].sweep_id != sweep_id:
                self._steady = now, self.view(sweep_id)
            return self._steady[1]

    def _look(self) -> None:
        """Takes notice of what is new, unless that was done a moment ago."""
        now = self._clock()
        if self._looked_at is not None and now - self._looked_at < LOOK_EVERY_S:
            return
        before = len(self._follower.sweeps)
        changed = self._follower.poll()
        self._looked_at = now
        if changed or len(self._follower.sweeps) != before or self._revision == 0:
            self._revision += 1
            self._revisions |= dict.fromkeys(changed, self._revision)
            self._holes = tuple(map(str, self.store.holes()))

    def _entry(self, sweep_id: str) -> Entry:
        revision = self._revisions.get(sweep_id, 0)
        known = self._entries.get(sweep_id)
        if known is None or known[0] != revision:
            entry = Entry(summarise(self._follower.history(sweep_id)), self._follower.log(sweep_id))
            known = self._entries[sweep_id] = revision, entry
        return known[1]

    def _made(self, sweep_id: str) -> SweepView:
        history = self._follower.history(sweep_id)
        own = history.sweep
        others = [
            self._entry(each.sweep_id).summary
            for each in self._follower.sweeps
            if each.sweep_id != sweep_id and (each.metric, each.mode) == (own.metric, own.mode)
        ]
        return SweepView(history, self._follower.decisions(sweep_id), others)
