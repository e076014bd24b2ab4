"""One Tune run on its way into the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from metahp.store import TrialEvent
from metahp.types import Config, Measurement, Sweep
from metahp_searchers.recorder import Recorder
from metahp_searchers.reports import Result, measurement_of, metrics_of


class RunLog(Protocol):
    """What a `StoreCallback` tells; trials go by Tune's ids, and the first word about a trial is its start."""

    def trial_started(self, trial_id: str, config: Config, *, restored: bool) -> None:
        """A trial begins, or begins again."""

    def trial_reported(self, trial_id: str, result: Result, *, done: bool) -> None:
        """A trial reports."""

    def trial_ended(self, trial_id: str, event: TrialEvent, error: str = "") -> None:
        """A trial is over."""

    def retry(self) -> None:
        """Now is a good moment to try again what failed."""

    def close(self) -> None:
        """The run is over."""


class Journal:
    """Writes one run into the store.

    Args:
        sweep: what is recorded.
        recorder: the way into the store.
        time_attr: the key of the step in the results.
        store_id: Tune's trial id to the one in the store.
    """

    def __init__(
        self,
        sweep: Sweep,
        recorder: Recorder,
        time_attr: str,
        store_id: Callable[[str], str] = lambda trial_id: trial_id,
    ) -> None:
        self.sweep = sweep
        self.recorder = recorder
        self._time_attr = time_attr
        self._store_id = store_id
        self._running: set[str] = set()

    def trial_started(self, trial_id: str, config: Config, *, restored: bool) -> None:
        """Mints an attempt."""
        name, own = self._store_id(trial_id), dict(config)
        self._running.add(trial_id)
        self.recorder.add(name, lambda writer: writer.start_attempt(name, own, restored=restored), is_start=True)

    def trial_reported(self, trial_id: str, result: Result, *, done: bool) -> None:
        """Records a report; one without a step cannot be placed and is left out."""
        measurement = measurement_of(result, self.sweep.metric, self._time_attr)
        if measurement is not None:
            self._record(self._store_id(trial_id), measurement, metrics_of(result), done)

    def trial_ended(self, trial_id: str, event: TrialEvent, error: str = "") -> None:
        """Records how a trial ended, unless it never started."""
        if trial_id in self._running:
            self._running.discard(trial_id)
            name = self._store_id(trial_id)
            self.recorder.add(name, lambda writer: writer.record_event(name, event, error=error))

    def retry(self) -> None:
        """Writes what the store refused before."""
        self.recorder.retry()

    def close(self) -> None:
        """Publishes everything; a trial that was running makes it an interrupted sweep, which can be resumed."""
        self.recorder.close("interrupted" if self._running else "completed")

    def _record(self, name: str, measurement: Measurement, metrics: Mapping[str, Any], done: bool) -> None:
        self.recorder.add(name, lambda writer: writer.record(name, measurement, metrics, done=done))
