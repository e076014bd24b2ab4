"""Newer versions of a predictor for a sweep that runs, made ready in a thread: no hook of Tune waits for one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from metahp.models import load_version, newest_version
from metahp.policy import Policy
from metahp.store import Store
from metahp.types import Sweep, Trial

LOOK_EVERY_S = 5.0

_log = logging.getLogger(__name__)


class Refresher:
    """Looks for versions that a learner has saved meanwhile, or an older one that somebody has rolled back to.

    Args:
        store: where they are.
        sweep: for which sweep to make them ready.
    """

    def __init__(self, store: Store, sweep: Sweep) -> None:
        self._store = store
        self._sweep = sweep
        self._looked = time.monotonic()
        self._thread: threading.Thread | None = None
        self._ready: Policy | None = None
        self._failed: str | None = None

    def newer(self, policy: Policy, trials: Callable[[], Sequence[Trial]]) -> Policy | None:
        """The policy with the store's newest version, once, when it is ready; returns at once.

        Args:
            policy: the one in use.
            trials: gives those of the sweep, on which the new one is conditioned before it takes over.
        """
        if self._thread is not None and self._thread.is_alive():
            return None
        ready, self._ready = self._ready, None
        if ready is None and time.monotonic() - self._looked >= LOOK_EVERY_S:
            self._looked = time.monotonic()
            arguments = (policy, list(trials()))
            self._thread = threading.Thread(target=self._look, args=arguments, name="metahp-refresh", daemon=True)
            self._thread.start()
        return ready

    def _look(self, policy: Policy, trials: Sequence[Trial]) -> None:
        version = None
        try:
            version = newest_version(self._store)
            if version is None or version in (self._failed, (policy.version or "").removesuffix("+")):
                return
            newer = replace(policy, predictor=load_version(self._store, version), version=version)
            newer.rehearse(self._sweep, trials)
            self._ready = newer
        except Exception as problem:  # the version in use goes on being used
            self._failed = version
            _log.warning("the model %s cannot be used, the one in use goes on: %s", version, problem)
