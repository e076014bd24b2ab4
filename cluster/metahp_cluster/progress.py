"""How far a sweep is: counted from what Tune reports, told to whoever watches.

Every number is kept, not counted anew: a sweep of ten thousand trials reports as fast as one of ten.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from metahp.space import SearchSpace
from metahp.types import Config, Measurement, Mode, SweepHistory, TrialStatus

_REST_VARIES = 3.0
"""In eight of ten cases the epochs to come are between a third and three times what those before them let expect, see
``python -m benchmarks forecasts``. Kaplan and Meier's curve of trials' lengths came no closer.
"""


@dataclass(slots=True)
class TrialProgress:
    """One trial as people see it.

    Attributes:
        number: counted from 1, in the order of starting.
        config: its hyperparameters.
        status: where it stands.
        epochs: how many it has reported.
        seconds: of training, as far as it has said.
        best: its best finite value, or None.
    """

    number: int
    config: Config
    status: TrialStatus
    epochs: int = 0
    seconds: float = 0.0
    best: float | None = None


@dataclass(frozen=True, slots=True)
class Ahead:
    """What is forecast of the rest of a sweep.

    Attributes:
        low, likely, high: the best score at its end: 10 %, 50 % and 90 % quantile from bad to good.
    """

    low: float
    likely: float
    high: float


@dataclass
class Progress:
    """One sweep as people see it.

    Attributes:
        metric: what is optimised.
        mode: in which direction.
        space: what is searched.
        trials_wanted: how many trials the sweep is to have.
        epochs_each: epochs of a full training.
        devices: GPUs, or else cores, that one trial takes.
        unit: what these times an hour are called.
        trials: by Tune's id, those of an earlier run of the sweep by the store's.
        ahead: the newest forecast, None where there is none.
    """

    metric: str
    mode: Mode
    space: SearchSpace
    trials_wanted: int
    epochs_each: int
    devices: float = 1.0
    unit: str = "CPU-hours"
    clock: Callable[[], float] = time.monotonic
    trials: dict[str, TrialProgress] = field(default_factory=dict)
    ahead: Ahead | None = None
    counts: Counter[TrialStatus] = field(default_factory=Counter, init=False)
    epochs_used: int = field(default=0, init=False)
    epochs_saved: int = field(default=0, init=False)
    _seconds: float = field(default=0.0, init=False)
    _seconds_saved: float = field(default=0.0, init=False)
    _epochs_over: int = field(default=0, init=False)
    _at_work: dict[str, TrialProgress] = field(default_factory=dict, init=False)
    _leader: TrialProgress | None = field(default=None, init=False)
    _began: float = field(init=False)
    _training_since: float | None = field(default=None, init=False)
    _epochs_before: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._began = self.clock()

    def take_up(self, history: SweepHistory) -> None:
        """Count what an earlier run finished."""
        for trial in history.trials:
            if trial.status.is_over:
                self._add(trial.trial_id, trial.config)
                for measurement in trial.curve.measurements:
                    self.report(trial.trial_id, measurement)
                self.end(trial.trial_id, trial.status)
        self._epochs_before = self.epochs_used

    def start(self, trial_id: str, config: Config) -> None:
        """A trial starts, for the first time or again."""
        if self._training_since is None:
            self._training_since = self.clock()
        self._add(trial_id, config)

    def _add(self, trial_id: str, config: Config) -> None:
        """One that goes on after a pause keeps what it has shown."""
        known = self.trials.get(trial_id)
        if known is None:
            known = self.trials[trial_id] = TrialProgress(len(self.trials) + 1, config, TrialStatus.PENDING)
            self.counts[TrialStatus.PENDING] += 1
        self._move(trial_id, known, TrialStatus.RUNNING)

    def report(self, trial_id: str, measurement: Measurement) -> bool:
        """A trial reports; whether it is the best value so far."""
        trial = self.trials.get(trial_id)
        if trial is None:
            return False
        self.epochs_used += max(measurement.step - trial.epochs, 0)
        trial.epochs = max(trial.epochs, measurement.step)
        if math.isfinite(measurement.elapsed_s):
            self._seconds += max(measurement.elapsed_s - trial.seconds, 0.0)
            trial.seconds = max(trial.seconds, measurement.elapsed_s)
        if not math.isfinite(measurement.value) or not self._is_better(measurement.value, trial.best):
            return False
        trial.best = measurement.value
        leads = self._leader is None or self._is_better(measurement.value, self._leader.best)
        if leads:
            self._leader = trial
        return leads

    def end(self, trial_id: str, status: TrialStatus) -> None:
        """A trial is over."""
        trial = self.trials.get(trial_id)
        if trial is None:
            return
        self._move(trial_id, trial, status)
        self._epochs_over += trial.epochs
        if status is TrialStatus.STOPPED:
            saved = max(self.epochs_each - trial.epochs, 0)
            self.epochs_saved += saved
            self._seconds_saved += saved * trial.seconds / max(trial.epochs, 1)

    def pause(self, paused: Collection[str]) -> None:
        """These trials, and no others, wait now, to go on later."""
        waiting = set(paused)
        for trial_id, trial in list(self._at_work.items()):
            self._move(trial_id, trial, TrialStatus.PAUSED if trial_id in waiting else TrialStatus.RUNNING)

    def _move(self, trial_id: str, trial: TrialProgress, status: TrialStatus) -> None:
        if trial.status.is_over:  # it is run again
            self._epochs_over -= trial.epochs
        self.counts[trial.status] -= 1
        self.counts[status] += 1
        trial.status = status
        if status.is_over:
            self._at_work.pop(trial_id, None)
        else:
            self._at_work[trial_id] = trial

    def incumbent(self) -> TrialProgress | None:
        """The best trial so far."""
        return self._leader

    def running(self) -> list[TrialProgress]:
        """Those that train now."""
        return [trial for trial in self._at_work.values() if trial.status is TrialStatus.RUNNING]

    @property
    def ended(self) -> int:
        """How many are over."""
        return len(self.trials) - len(self._at_work)

    @property
    def device_hours(self) -> float:
        """That the trials have taken, as far as they said."""
        return self._seconds * self.devices / 3600.0

    @property
    def device_hours_saved(self) -> float:
        """That pruned trials would have taken, each at its own pace."""
        return self._seconds_saved * self.devices / 3600.0

    @property
    def elapsed_s(self) -> float:
        """Seconds since this run of the sweep began."""
        return self.clock() - self._began

    def remaining_s(self) -> float | None:
        """Seconds to the end, should the trials to come be as long as those that are over; None before the first."""
        pace = self._pace()
        if pace is None or not self.ended:
            return None
        typical = self._epochs_over / self.ended
        begun = sum(max(typical - trial.epochs, 0.0) for trial in self._at_work.values())
        waiting = max(self.trials_wanted - len(self.trials), 0) * typical
        return (begun + waiting) * pace

    def remaining_band_s(self) -> tuple[float, float] | None:
        """Between what `remaining_s` is in eight of ten cases; None where that is."""
        rest, pace = self.remaining_s(), self._pace()
        if rest is None or pace is None:
            return None
        at_work = self.epochs_each * len(self._at_work) - sum(trial.epochs for trial in self._at_work.values())
        most = (at_work + self.epochs_each * max(self.trials_wanted - len(self.trials), 0)) * pace
        return rest / _REST_VARIES, min(rest * _REST_VARIES, most)

    def _pace(self) -> float | None:
        """Seconds that this run takes for an epoch, all trials at work together; None before the first epoch."""
        here = self.epochs_used - self._epochs_before
        return None if here <= 0 or self._training_since is None else (self.clock() - self._training_since) / here

    def _is_better(self, value: float, than: float | None) -> bool:
        return than is None or self.mode.sign * value > self.mode.sign * than
