"""Keeps the predictor of a store up to date while sweeps run: ``python -m metahp.learner STORE``.

Every step reads what the store has published since the newest version, lets that version learn it, and saves the
result as the next version together with the cursor it has reached, by one rename. So a learner that is killed at any
moment neither skips a row nor learns one twice, and its successor goes on where it was. Several of one store take
turns.
"""

from __future__ import annotations

import argparse
import logging
import os
import time
from collections.abc import Sequence

from filelock import FileLock, Timeout

from metahp.models import load_or_fit, newest_version
from metahp.store import Cursor, Store

INTERVAL_S = 20.0

_log = logging.getLogger(__name__)


class Learner:
    """Follows one store.

    Args:
        store: whose sweeps to learn from, also while they run.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._reached: Cursor | None = None
        self._lock = FileLock(store.path / "models.lock", blocking=False)

    def step(self) -> str | None:
        """Learn what is new.

        Returns:
            the new version, None if nothing is new or another learner is at work.

        Raises:
            StoreError: the store cannot be read.
        """
        reached = self._store.cursor()
        if reached == self._reached:
            return None
        try:
            with self._lock:
                before = newest_version(self._store)
                load_or_fit(self._store)
                after = newest_version(self._store)
        except Timeout:
            return None
        self._reached = reached
        return after if after != before else None

    def follow(self, interval_s: float = INTERVAL_S) -> None:
        """Step by step, until the process that has started this one is gone."""
        parent = os.getppid()
        while os.getppid() == parent:
            began = time.monotonic()
            try:
                if (version := self.step()) is not None:
                    _log.info("version %s learned within %.1f s", version, time.monotonic() - began)
            except Exception:  # a store that is away for a while is no reason to give up
                _log.exception("nothing learned this time")
            time.sleep(max(interval_s - (time.monotonic() - began), interval_s / 4))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="metahp.learner", description="Keep the predictor of a store up to date.")
    parser.add_argument("store", help="directory of the store")
    parser.add_argument("--interval", type=float, default=INTERVAL_S, help="seconds between two looks at the store")
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    os.nice(19)  # trials come first
    Learner(Store(given.store, create=False)).follow(given.interval)


if __name__ == "__main__":
    main()
