"""The words of MetaHP: frozen, checked records that every layer speaks in.

==================  =================================================================
`Measurement`       one report of a trial: the metric's value at a step
`LearningCurve`     the measurements of one trial, ``step`` strictly increasing
`Trial`             one configuration, its curve so far, and its state
`Sweep`             the task: space, metric, direction, longest training, description
`SweepHistory`      a sweep with its trials: what the store gives and the predictor learns from
`Prediction`        a distribution of the score for each of n queries
`Decision`          what to do with a running trial, and why
==================  =================================================================

Values are in the metric's own unit and direction everywhere in this file; the predictor normalises inside.
A value may be NaN or infinite: a diverged trial is data.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metahp.errors import RecordError
from metahp.space import SearchSpace

Config = Mapping[str, Any]
"""One configuration, nested as the user's training function gets it."""

TaskValue = str | int | float | bool
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Mode(StrEnum):
    """Which direction of the metric is better."""

    MIN = "min"
    MAX = "max"

    @property
    def sign(self) -> float:
        """+1 where larger is better, -1 where smaller is: ``sign * value`` is always to be maximised."""
        return 1.0 if self is Mode.MAX else -1.0


class TrialStatus(StrEnum):
    """Where a trial stands. ``STOPPED`` was ended early by a decision, ``COMPLETED`` ended by itself."""

    PENDING = "pending"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    STOPPED = "stopped"
    ERRORED = "errored"

    @property
    def is_over(self) -> bool:
        """Whether no further measurement is expected."""
        return self in (TrialStatus.COMPLETED, TrialStatus.STOPPED, TrialStatus.ERRORED)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One report of a trial.

    Attributes:
        step: the fidelity reached, counted from 1 (epochs, usually).
        value: the metric there, in its own unit; NaN or ±inf where the trial diverged or did not report it.
        elapsed_s: seconds of training since the trial's start, or NaN where unknown.
    """

    step: int
    value: float
    elapsed_s: float = math.nan

    def __post_init__(self) -> None:
        if self.step < 1:
            raise RecordError(f"Measurement.step counts from 1, got {self.step}; report the number of finished steps")


@dataclass(frozen=True)
class LearningCurve:
    """The measurements of one trial, ``step`` strictly increasing (gaps are allowed).

    A sweep's curves are looked at again at every report of any trial, so the arrays are made once; they are read-only.
    """

    measurements: tuple[Measurement, ...] = ()

    def __post_init__(self) -> None:
        steps = [m.step for m in self.measurements]
        for before, after in pairwise(steps):
            if after <= before:
                raise RecordError(
                    f"LearningCurve needs strictly increasing steps, got {after} after {before}; "
                    "LearningCurve.of() sorts and keeps the first value of each step"
                )

    @classmethod
    def of(cls, points: Iterable[tuple[int, float] | tuple[int, float, float]]) -> LearningCurve:
        """A curve from ``(step, value)`` or ``(step, value, elapsed_s)``: any order, the first of a step counts."""
        by_step: dict[int, Measurement] = {}
        for step, *rest in points:
            by_step.setdefault(int(step), Measurement(int(step), *map(float, rest)))
        return cls(tuple(by_step[step] for step in sorted(by_step)))

    def __len__(self) -> int:
        return len(self.measurements)

    @cached_property
    def steps(self) -> IntArray:
        """Shape ``(n,)``, int64."""
        return _fixed(np.array([m.step for m in self.measurements], dtype=np.int64))

    @cached_property
    def values(self) -> FloatArray:
        """Shape ``(n,)``, float64; NaN and ±inf kept."""
        return _fixed(np.array([m.value for m in self.measurements], dtype=np.float64))

    @cached_property
    def elapsed_s(self) -> FloatArray:
        """Shape ``(n,)``, float64; NaN where unknown."""
        return _fixed(np.array([m.elapsed_s for m in self.measurements], dtype=np.float64))

    @property
    def last_step(self) -> int:
        """The last step reported, 0 for an empty curve."""
        return self.measurements[-1].step if self.measurements else 0

    def best(self, mode: Mode) -> float | None:
        """The best finite value, or None where there is none."""
        return self._best[mode]

    @cached_property
    def _best(self) -> dict[Mode, float | None]:
        finite = [m.value for m in self.measurements if math.isfinite(m.value)]
        return {Mode.MIN: min(finite, default=None), Mode.MAX: max(finite, default=None)}

    def until(self, step: int) -> LearningCurve:
        """The measurements up to and including ``step``."""
        return LearningCurve(tuple(m for m in self.measurements if m.step <= step))

    def extended(self, measurement: Measurement) -> LearningCurve:
        """This curve with one more measurement; a step that is known already is kept as it was first reported."""
        if any(m.step == measurement.step for m in self.measurements):
            return self
        return LearningCurve(tuple(sorted((*self.measurements, measurement), key=lambda m: m.step)))


@dataclass(frozen=True, slots=True)
class Trial:
    """One configuration with what was seen of it.

    Attributes:
        trial_id: unique within its sweep.
        config: the configuration, nested as the training function got it; may hold keys the space does not name.
        curve: all that was reported.
        status: where it stands.
    """

    trial_id: str
    config: Config
    curve: LearningCurve = LearningCurve()
    status: TrialStatus = TrialStatus.PENDING


@dataclass(frozen=True, slots=True)
class Sweep:
    """A task: what is searched, what is measured, and what is known about it beforehand.

    Attributes:
        sweep_id: unique over all sweeps of a store.
        space: the search space.
        metric: name of the metric in the reports.
        mode: whether the metric is to be minimised or maximised.
        max_step: steps of a full training, or None where it is not known beforehand.
        task: free-form meta-features of the task (numbers, strings), e.g. ``{"kind": "image", "classes": 10}``.
        name: for people.
    """

    sweep_id: str
    space: SearchSpace
    metric: str
    mode: Mode
    max_step: int | None = None
    task: Mapping[str, TaskValue] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        if not self.metric:
            raise RecordError("Sweep.metric is empty; name the key of the metric in the reports, e.g. 'val_accuracy'")
        if self.max_step is not None and self.max_step < 1:
            raise RecordError(f"Sweep.max_step must be at least 1, got {self.max_step}")
        object.__setattr__(self, "mode", parse_mode(self.mode))
        check_task(self.task)


@dataclass(frozen=True, slots=True)
class SweepHistory:
    """A sweep with its trials, as far as they went; ``trial_id`` is unique."""

    sweep: Sweep
    trials: tuple[Trial, ...] = ()

    def __post_init__(self) -> None:
        if len({trial.trial_id for trial in self.trials}) != len(self.trials):
            raise RecordError(f"SweepHistory of {self.sweep.sweep_id!r} holds the same trial_id twice")

    def incumbent(self) -> Trial | None:
        """The trial with the best finite value reported at any step, or None."""
        return incumbent(self.trials, self.sweep.mode)


@dataclass(frozen=True, slots=True)
class Prediction:
    """Independent distributions of the score for n queries, each given by its quantiles.

    Attributes:
        mean: shape ``(n,)``, float64, in the metric's unit.
        std: shape ``(n,)``, float64, >= 0.

    The family is a normal distribution; heavier tails are the predictor's business and come as a larger ``std``.
    """

    mean: FloatArray
    std: FloatArray

    def __post_init__(self) -> None:
        mean, std = np.asarray(self.mean, np.float64), np.asarray(self.std, np.float64)
        if mean.ndim != 1 or mean.shape != std.shape:
            raise RecordError(f"Prediction needs mean and std of one shape (n,), got {mean.shape} and {std.shape}")
        if not (np.isfinite(mean).all() and np.isfinite(std).all() and (std >= 0).all()):
            raise RecordError("Prediction needs finite means and finite std >= 0")
        object.__setattr__(self, "mean", mean)
        object.__setattr__(self, "std", std)

    def __len__(self) -> int:
        return len(self.mean)

    def quantile(self, q: float) -> FloatArray:
        """The q-quantile of each query, shape ``(n,)``."""
        return self.mean + self.std * NormalDist().inv_cdf(q)

    def probability_better(self, threshold: float | FloatArray, mode: Mode) -> FloatArray:
        """P(score is strictly better than ``threshold``, one or shape ``(n,)``) of each query, shape ``(n,)``."""
        gap = mode.sign * (self.mean - threshold)
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(self.std > 0, gap / self.std, np.where(gap > 0, np.inf, -np.inf))
        return np.array([0.5 * math.erfc(-value / math.sqrt(2.0)) for value in z], dtype=np.float64)


class Action(StrEnum):
    """What to do with a trial: start a new one; let one go on, pause it so that it can resume, or stop it for good."""

    START = "start"
    CONTINUE = "continue"
    PAUSE = "pause"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Forecast:
    """The score of one trial at one step, as it was predicted before: a normal distribution.

    Attributes:
        step: the step.
        mean: in the metric's unit.
        std: likewise, >= 0.
    """

    step: int
    mean: float
    std: float

    def holds(self, value: float, z: float) -> bool:
        """Whether the score came to lie within ``z`` standard deviations."""
        return abs(value - self.mean) <= z * self.std


@dataclass(frozen=True, slots=True)
class Carrier:
    """A past trial that a prediction rests on.

    Attributes:
        sweep_id: its sweep.
        trial_id: the trial.
        weight: how much its sweep counts, times how alike the configurations are; from 0 to 1.
    """

    sweep_id: str
    trial_id: str
    weight: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with a trial, and why.

    Attributes:
        action: start, continue, pause or stop.
        reason: one clause for people.
        probability: predicted chance to beat the incumbent; of a new trial, to be better by the step it was chosen for
            than what is then expected of the others. NaN where no prediction was asked.
        threshold: below it the trial is stopped, NaN where none applied.
        forecast: of the score at the last step (of a new trial, at the one it was chosen for), None where no
            prediction was asked.
        propensity: the chance with which the action is carried out.
        carried_out: whether it is; if not, the trial goes on.
        acquisition: what a new trial was chosen for, the larger the better, None where nothing was compared.
        model: what has predicted: a version of the store's predictor, ``shipped``, or ``prior`` where the past had no
            say; None where nothing was predicted.
        carried_by: the past trials that it rests on most, the first one most.
    """

    action: Action
    reason: str = ""
    probability: float = math.nan
    threshold: float = math.nan
    forecast: Forecast | None = None
    propensity: float = 1.0
    carried_out: bool = True
    acquisition: float | None = None
    model: str | None = field(default=None, compare=False)  # kept in `MadeDecision`
    carried_by: tuple[Carrier, ...] = ()

    @property
    def is_predicted(self) -> bool:
        """Whether a running trial was judged by its chance."""
        return self.action is not Action.START and not math.isnan(self.probability)

    @property
    def stops(self) -> bool:
        """Whether the trial ends by it."""
        return self.action is Action.STOP and self.carried_out


@dataclass(frozen=True, slots=True)
class Proposal:
    """A configuration for a new trial, and why it was chosen.

    Attributes:
        config: the configuration.
        decision: to start it.
    """

    config: Config
    decision: Decision


@dataclass(frozen=True, slots=True)
class MadeDecision:
    """A decision as it is kept, so that it can be held against what came of it.

    Attributes:
        trial_id: of the trial that it was about.
        step: the newest that was known of the trial, 0 before it was started.
        decision: what was decided.
        model_version: see `Decision.model`.
    """

    trial_id: str
    step: int
    decision: Decision
    model_version: str | None = None


def _fixed(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array


def incumbent(trials: Sequence[Trial], mode: Mode) -> Trial | None:
    """The trial with the best finite value at any step; the first such trial where several tie."""
    found, score, sign = None, -math.inf, mode.sign
    for trial in trials:  # asked for at every report of a sweep of any length
        best = trial.curve.best(mode)
        if best is not None and sign * best > score:
            found, score = trial, sign * best
    return found


def parse_mode(mode: str) -> Mode:
    """``"min"`` or ``"max"`` as a `Mode`.

    Raises:
        RecordError: anything else.
    """
    try:
        return Mode(mode)
    except ValueError:
        raise RecordError(f"mode must be 'min' or 'max', got {mode!r}") from None


def check_task(task: Mapping[str, Any]) -> None:
    """Refuse a task description that is not a flat mapping of names to numbers, strings or booleans."""
    for key, value in task.items():
        if not isinstance(key, str) or not isinstance(value, str | int | float | bool):
            raise RecordError(
                f"task describes the data by names and plain values, got {key!r}: {value!r}; "
                "use numbers, strings or booleans, e.g. {'kind': 'image', 'classes': 10}"
            )
