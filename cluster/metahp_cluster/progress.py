"""How far a sweep is: counted from what Tune reports, told to whoever watches."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from metahp.space import SearchSpace
from metahp.types import Config, Measurement, Mode, SweepHistory, TrialStatus


@dataclass(slots=True)
class TrialProgress:
    """One trial as people see it.

    Attributes:
        number: counted from 1, in the order of starting.
        config: its hyperparameters.
        status: where it stands.
        epochs: how many it has reported.
        best: its best finite value, or None.
    """

    number: int
    config: Config
    status: TrialStatus
    epochs: int = 0
    best: float | None = None


@dataclass
class Progress:
    """One sweep as people see it.

    Attributes:
        metric: what is optimised.
        mode: in which direction.
        space: what is searched.
        trials_wanted: how many trials the sweep is to have.
        epochs_each: epochs of a full training.
        trials: by Tune's id, those of an earlier run of the sweep by the store's.
    """

    metric: str
    mode: Mode
    space: SearchSpace
    trials_wanted: int
    epochs_each: int
    clock: Callable[[], float] = time.monotonic
    trials: dict[str, TrialProgress] = field(default_factory=dict)
    _began: float = field(init=False)
    _training_since: float | None = field(default=None, init=False)
    _epochs_before: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    def take_up(self, history: SweepHistory) -> None:
        """Count what an earlier run finished."""
        for trial in history.trials:
            if trial.status.is_over:
                known = self._add(trial.trial_id, trial.config)
                known.status, known.epochs = trial.status, trial.curve.last_step
                known.best = trial.curve.best(self.mode)
        self._epochs_before = self.epochs_used

    def start(self, trial_id: str, config: Config) -> None:
        """A trial starts, for the first time or again."""
        if self._training_since is None:
            self._training_since = self.clock()
        self._add(trial_id, config)

    def _add(self, trial_id: str, config: Config) -> TrialProgress:
        number = self.trials[trial_id].number if trial_id in self.trials else len(self.trials) + 1
        self.trials[trial_id] = TrialProgress(number, config, TrialStatus.RUNNING)
        return self.trials[trial_id]

    def report(self, trial_id: str, measurement: Measurement) -> bool:
        """A trial reports; whether it is the best value so far."""
        trial = self.trials.get(trial_id)
        if trial is None:
            return False
        leader = self.incumbent()
        trial.epochs = max(trial.epochs, measurement.step)
        if not math.isfinite(measurement.value) or not self._is_better(measurement.value, trial.best):
            return False
        trial.best = measurement.value
        return leader is None or self._is_better(measurement.value, leader.best)

    def end(self, trial_id: str, status: TrialStatus) -> None:
        """A trial is over."""
        if trial_id in self.trials:
            self.trials[trial_id].status = status

    def incumbent(self) -> TrialProgress | None:
        """The best trial so far."""
        scored = [trial for trial in self.trials.values() if trial.best is not None]
        return max(scored, key=lambda trial: self.mode.sign * (trial.best or 0.0), default=None)

    def running(self) -> list[TrialProgress]:
        """Those that train now."""
        return [trial for trial in self.trials.values() if trial.status is TrialStatus.RUNNING]

    @property
    def counts(self) -> Counter[TrialStatus]:
        """How many trials stand where."""
        return Counter(trial.status for trial in self.trials.values())

    @property
    def ended(self) -> int:
        """How many are over."""
        return sum(trial.status.is_over for trial in self.trials.values())

    @property
    def epochs_used(self) -> int:
        """Epochs trained so far."""
        return sum(trial.epochs for trial in self.trials.values())

    @property
    def epochs_saved(self) -> int:
        """Epochs that pruned trials did not train."""
        pruned = [trial for trial in self.trials.values() if trial.status is TrialStatus.STOPPED]
        return sum(max(self.epochs_each - trial.epochs, 0) for trial in pruned)

    @property
    def elapsed_s(self) -> float:
        """Seconds since this run of the sweep began."""
        return self.clock() - self._began

    def remaining_s(self) -> float | None:
        """Seconds to the end, should the trials to come be as long as those that are over; None before the first."""
        here = self.epochs_used - self._epochs_before
        if not self.ended or here <= 0 or self._training_since is None:
            return None
        over = [trial.epochs for trial in self.trials.values() if trial.status.is_over]
        typical = sum(over) / len(over)
        running = sum(max(typical - trial.epochs, 0.0) for trial in self.running())
        waiting = max(self.trials_wanted - len(self.trials), 0) * typical
        return (running + waiting) * (self.clock() - self._training_since) / here

    def _is_better(self, value: float, than: float | None) -> bool:
        return than is None or self.mode.sign * value > self.mode.sign * than
