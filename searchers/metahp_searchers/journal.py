"""One Tune run on its way into the store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from metahp.store import SweepWriter, TrialEvent
from metahp.types import Config, Decision, MadeDecision, Sweep
from metahp_searchers.recorder import Recorder
from metahp_searchers.reports import Result, measurement_of, metrics_of


class RunLog(Protocol):
    """What a `StoreCallback` tells; trials go by Tune's ids, and the first word about a trial is its start."""

    @property
    def max_step(self) -> int | None:
        """Steps of a full training, if known."""
        ...

    def trial_started(self, trial_id: str, config: Config, *, restored: bool) -> None:
        """A trial begins, or begins again, from a checkpoint or from nothing."""
        ...

    def trial_reported(self, trial_id: str, result: Result, *, done: bool) -> None:
        """A trial reports."""
        ...

    def trial_cut_short(self, trial_id: str) -> None:
        """Somebody decided that a trial shall end here."""
        ...

    def trial_ended(self, trial_id: str, *, error: str | None = None) -> None:
        """A trial is over: by itself, because it was cut short, or by an error."""
        ...

    def retry(self) -> None:
        """Now is a good moment to try again what failed."""
        ...

    def close(self) -> None:
        """The run is over."""
        ...


class Journal:
    """The `RunLog` that writes into the store.

    Args:
        sweep: what is recorded.
        open_writer: opens the sweep in the store.
        time_attr: the key of the step in the results.
        store_id: Tune's trial id to the one in the store.
    """

    def __init__(
        self, sweep: Sweep, open_writer: Callable[[], SweepWriter], time_attr: str, store_id: Callable[[str], str] = str
    ) -> None:
        self.max_step = sweep.max_step
        self.recorder = Recorder(open_writer)
        self._metric = sweep.metric
        self._time_attr = time_attr
        self._store_id = store_id
        self._running: set[str] = set()
        self._cut_short: set[str] = set()
        self._ended: set[str] = set()

    @property
    def complete(self) -> frozenset[str]:
        """The store's ids of the trials that ended and are in the store whole."""
        return frozenset() if self.recorder.backlog else frozenset(self._ended)

    def trial_started(self, trial_id: str, config: Config, *, restored: bool) -> None:
        """Mints an attempt."""
        name, own = self._store_id(trial_id), dict(config)
        self._running.add(trial_id)
        self._cut_short.discard(trial_id)
        self.recorder.add(name, lambda writer: writer.start_attempt(name, own, restored=restored), is_start=True)

    def trial_reported(self, trial_id: str, result: Result, *, done: bool) -> None:
        """Records a report; without a step, or of a trial that never started, it cannot be placed and is left out."""
        measurement = measurement_of(result, self._metric, self._time_attr)
        if measurement is not None and trial_id in self._running:
            name, metrics = self._store_id(trial_id), metrics_of(result)
            self.recorder.add(name, lambda writer: writer.record(name, measurement, metrics, done=done))

    def trial_cut_short(self, trial_id: str) -> None:
        """Makes the end of the trial a stop."""
        self._cut_short.add(trial_id)

    def trial_paused(self, trial_id: str) -> None:
        """Records that a trial gives up its worker; its next start continues it."""
        if trial_id in self._running:
            name = self._store_id(trial_id)
            self.recorder.add(name, lambda writer: writer.record_event(name, TrialEvent.PAUSED))

    def trial_ended(self, trial_id: str, *, error: str | None = None) -> None:
        """Records how a trial ended, unless it never started."""
        if trial_id not in self._running:
            return
        self._running.discard(trial_id)
        finished = TrialEvent.STOPPED if trial_id in self._cut_short else TrialEvent.COMPLETED
        event = finished if error is None else TrialEvent.ERRORED
        name = self._store_id(trial_id)
        self._ended.add(name)
        self.recorder.add(name, lambda writer: writer.record_event(name, event, error=error or ""))

    def trial_decided(self, trial_id: str, step: int, decision: Decision) -> None:
        """Records a decision about a running trial."""
        if trial_id in self._running:
            made = MadeDecision(self._store_id(trial_id), step, decision, decision.model)
            self.recorder.add(made.trial_id, lambda writer: writer.record_decision(made))

    def trial_completed(self, name: str) -> None:
        """A trial of an earlier process, by the store's id, turns out to have been complete."""
        self.recorder.add(name, lambda writer: writer.record_event(name, TrialEvent.COMPLETED))

    def retry(self) -> None:
        """Writes what the store refused before."""
        self.recorder.retry()

    def close(self) -> None:
        """Publishes everything; a trial that was running makes it an interrupted sweep, which can be resumed."""
        self.recorder.close("interrupted" if self._running else "completed")
