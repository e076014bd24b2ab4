"""How a running sweep is likely to end, worked out beside it: a thread that reads the store, and disturbs nobody.

It has a predictor of its own, so that nothing is shared with the searcher, and looks again at what the store has
published every `EVERY_S` seconds, or ten times as long as the last look took, if that is more.
"""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType
from typing import Self

import numpy as np

from metahp.extremes import best_to_come
from metahp.models import load_version, newest_version
from metahp.predictor import Predictor
from metahp.shipped import shipped_predictor
from metahp.store import Store
from metahp_cluster.progress import Ahead

EVERY_S = 15.0
_BAND = np.array([0.1, 0.5, 0.9])  # from bad to good

_log = logging.getLogger(__name__)


class Forecaster:
    """Forecasts one sweep for as long as it is entered.

    Args:
        store: where it is.
        sweep_id: the sweep.
        trials_wanted: how many trials it is to have.
        every_s: seconds between two forecasts.

    Attributes:
        latest: the newest forecast, None until there is one.
    """

    def __init__(self, store: Store, sweep_id: str, trials_wanted: int, every_s: float = EVERY_S) -> None:
        self.latest: Ahead | None = None
        self._store, self._sweep_id, self._trials_wanted, self._every_s = store, sweep_id, trials_wanted, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="forecaster", daemon=True)

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()  # Tune keeps its callbacks in a file; what comes back from there forecasts nothing

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join(timeout=5.0)

    def _follow(self) -> None:
        pause = self._every_s
        while not self._over.wait(pause):
            began = time.monotonic()
            try:
                self.latest = self.forecast()
            except Exception:  # it is a service to who watches, and nothing depends on it
                _log.debug("no forecast this time", exc_info=True)
            pause = max(self._every_s, 10.0 * (time.monotonic() - began))

    def forecast(self) -> Ahead | None:
        """What the rest of the sweep is likely to come to; None while too little is published."""
        history = self._store.history(self._sweep_id)
        over = sum(trial.status.is_over for trial in history.trials)
        if over >= self._trials_wanted:
            return None
        best = best_to_come(history, self._trials_wanted - len(history.trials), _BAND, self._predictor())
        return None if best is None else Ahead(*best.tolist())

    def _predictor(self) -> Predictor:
        version = newest_version(self._store)
        return load_version(self._store, version) if version else shipped_predictor()
