"""Newer versions of a predictor for a sweep that runs, made ready in a thread: no hook of Tune waits for one."""

from __future__ import annotations

import logging
import threading
import time

from metahp.models import load_version, newest_version
from metahp.predictor import Experienced, Predictor
from metahp.store import Store
from metahp.types import Sweep

LOOK_EVERY_S = 5.0

_log = logging.getLogger(__name__)


class Refresher:
    """Looks for versions that a learner has saved meanwhile.

    Args:
        store: where they are.
        sweep: for which sweep to make them ready.

    Attributes:
        version: the one in use.
    """

    def __init__(self, store: Store, sweep: Sweep) -> None:
        self._store = store
        self._sweep = sweep
        self.version = newest_version(store)
        self._looked = time.monotonic()
        self._thread: threading.Thread | None = None
        self._ready: tuple[str, Predictor] | None = None

    def newer(self) -> Predictor | None:
        """A newer predictor, once, when it is ready; returns at once."""
        if self._thread is not None and self._thread.is_alive():
            return None
        ready, self._ready = self._ready, None
        if ready is not None:
            self.version, predictor = ready
            return predictor
        if time.monotonic() - self._looked >= LOOK_EVERY_S:
            self._looked = time.monotonic()
            self._thread = threading.Thread(target=self._look, name="metahp-refresh", daemon=True)
            self._thread.start()
        return None

    def _look(self) -> None:
        try:
            version = newest_version(self._store)
            if version is None or version == self.version:
                return
            predictor = load_version(self._store, version)
            _warm_up(predictor, self._sweep)
            self._ready = version, predictor
        except Exception as problem:  # the version in use goes on being used
            _log.warning("a newer predictor cannot be used: %s", problem)


def _warm_up(predictor: Predictor, sweep: Sweep) -> None:
    """What is worked out once for each sweep is worked out here, not in a hook."""
    predictor.condition(sweep, [])
    if isinstance(predictor, Experienced):
        predictor.experience(sweep)
