"""What a running sweep has shown so far, in memory; told twice or out of order, it says the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from metahp.types import Config, Measurement, Trial, TrialStatus


class Observations:
    """The trials of one sweep, in the order of their first mention."""

    def __init__(self, trials: Iterable[Trial] = ()) -> None:
        self._trials = {trial.trial_id: trial for trial in trials}
        self._restarted: set[str] = set()

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All of them, as far as they went."""
        return tuple(self._trials.values())

    def get(self, trial_id: str) -> Trial | None:
        """One of them."""
        return self._trials.get(trial_id)

    def put(self, trial: Trial) -> None:
        """Takes in a trial as it is, in place of what was known of it."""
        self._trials[trial.trial_id] = trial

    def start(self, trial_id: str, config: Config) -> None:
        """A trial starts, for the first time or again: what it then reports replaces what it had reported there."""
        known = self._trials.get(trial_id, Trial(trial_id, config))
        self._trials[trial_id] = replace(known, config=config, status=TrialStatus.RUNNING)
        self._restarted.add(trial_id)

    def report(self, trial_id: str, measurement: Measurement) -> None:
        """A known trial reports; the first value of a step counts."""
        trial = self._trials.get(trial_id)
        if trial is None:
            return
        curve = trial.curve
        if trial_id in self._restarted:
            self._restarted.discard(trial_id)
            curve = curve.until(measurement.step - 1)
        status = trial.status if trial.status.is_over else TrialStatus.RUNNING
        self._trials[trial_id] = replace(trial, curve=curve.extended(measurement), status=status)

    def end(self, trial_id: str, status: TrialStatus) -> None:
        """A known trial ends; the first end counts."""
        trial = self._trials.get(trial_id)
        if trial is not None and not trial.status.is_over:
            self._trials[trial_id] = replace(trial, status=status)
