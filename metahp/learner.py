"""Keeps the predictor of a store up to date while sweeps run: ``python -m metahp.learner STORE``.

Every step reads what the store has published since the newest version, lets that version learn it, and saves the
result as the next version together with the cursor it has reached, by one rename. So a learner that is killed at any
moment neither skips a row nor learns one twice, and its successor goes on where it was. Of several that follow one
store the first one works as long as it lives; the others wait, without loading TensorFlow.
"""

from __future__ import annotations

import argparse
import logging
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from filelock import FileLock, Timeout

from metahp.models import Model, found, newest_version, taught
from metahp.store import Cursor, Store
from metahp.versions import pinned

INTERVAL_S = 20.0
_SESSION_NICENESS = "5"  # weighs 335 where others weigh 1024

_log = logging.getLogger(__name__)


class Learner:
    """Follows one store.

    Args:
        store: whose sweeps to learn from, also while they run.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reached: Cursor | None = None
        self._model: Model | None = None
        self._told = False
        self._lock = FileLock(store.path / "models.lock", blocking=False)

    def leads(self) -> bool:
        """Whether this is the one that works; it is from then on. Another one takes over when its process ends."""
        try:
            if not self._lock.is_locked:
                self._lock.acquire()
        except Timeout:
            return False
        return True

    def step(self) -> str | None:
        """Learn what is new.

        Returns:
            the new version, None if nothing is new, the model was rolled back, or another learner is at work.

        Raises:
            StoreError: the store cannot be read.
        """
        reached = self._store.cursor()
        if pinned(self._store) is not None:
            self._reached = None  # what was rolled back is learned again as soon as it may be
            return None
        if reached == self._reached:
            return None
        try:
            with self._lock:
                return self._learned(reached)
        except Timeout:
            return None

    def _learned(self, reached: Cursor) -> str | None:
        before, self._model = self._model, None  # what fails on the way is read anew
        if before is None or before.newest != newest_version(self._store):
            before = found(self._store)
        after = taught(self._store, before)
        if after is before or after.is_saved:  # else it is learned anew
            self._model = after
            if newest_version(self._store) == after.newest:  # else another one came in between, and must learn this
                self._reached = reached
        return after.version if after is not before and after.is_saved else None

    def follow(self, interval_s: float = INTERVAL_S, goes_on: Callable[[], bool] | None = None) -> None:
        """Step by step.

        Args:
            interval_s: between two steps.
            goes_on: asked before each one; by default whether the process that has started this one is there.
        """
        parent = os.getppid()
        while goes_on() if goes_on else os.getppid() == parent:
            began = time.monotonic()
            self._try_step()
            time.sleep(max(interval_s - (time.monotonic() - began), interval_s / 4))

    def _try_step(self) -> None:
        began = time.monotonic()
        try:
            if not self.leads():
                self._say_that_it_waits()
            elif (version := self.step()) is not None:
                _log.info("version %s learned within %.1f s", version, time.monotonic() - began)
        except Exception:  # a store that is away for a while is no reason to give up
            _log.exception("nothing learned this time")

    def _say_that_it_waits(self) -> None:
        if not self._told:
            self._told = True
            _log.info("another learner follows %s; this one waits for its end", self._store.location)


def yield_to_trials() -> None:
    """Gives this process a small share of the cores.

    Linux shares them out by session first (``sched_autogroup_enabled``), and niceness counts within one alone: so a
    process that has a session of its own lowers that as well. Not all the way: where every core is busy it is left a
    fourth of one, since what a learner without any teaches comes too late.
    """
    os.nice(19)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):  # another system, or a kernel without
            Path("/proc/self/autogroup").write_text(_SESSION_NICENESS, encoding="ascii")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="metahp.learner", description="Keep the predictor of a store up to date.")
    parser.add_argument("store", help="directory of the store")
    parser.add_argument("--interval", type=float, default=INTERVAL_S, help="seconds between two looks at the store")
    parser.add_argument("--parent", type=int, default=os.getppid(), help="process with whose end this one ends")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    yield_to_trials()
    Learner(Store(given.store, create=False)).follow(given.interval, lambda: os.getppid() == given.parent)


if __name__ == "__main__":
    main()
