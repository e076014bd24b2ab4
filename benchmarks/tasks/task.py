"""The interface: a task has a search space and gives the learning curve of any configuration, without training it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from metahp.errors import MetaHPError, RecordError
from metahp.space import SearchSpace
from metahp.types import Config, FloatArray, IntArray, Mode, Sweep, TaskValue

DATA = Path(__file__).parents[3] / "shared" / "data"
"""Recorded curves of others lie beside the project, not in it."""

REFERENCE_CONFIGS = 1000


class TaskDataMissingError(MetaHPError, FileNotFoundError):
    """The data of a family of tasks are not beside the project."""


@dataclass(frozen=True, slots=True)
class Curve:
    """All that a full training of one configuration would report.

    Attributes:
        scores: shape ``(n,)``, float64, the metric after 1, 2, … n steps; NaN and ±inf are possible.
        seconds: shape ``(n,)``, float64, training time from the start, increasing.
        fails: whether the training dies after its last report, before its full length.
    """

    scores: FloatArray
    seconds: FloatArray
    fails: bool = False

    def __post_init__(self) -> None:
        scores, seconds = np.asarray(self.scores, np.float64), np.asarray(self.seconds, np.float64)
        if scores.ndim != 1 or scores.shape != seconds.shape:
            raise RecordError(f"Curve needs two arrays of one shape (n,), got {scores.shape} and {seconds.shape}")
        if not (np.diff(seconds, prepend=0.0) > 0).all():
            raise RecordError("Curve.seconds must increase from above 0; give the cumulative training time")
        object.__setattr__(self, "scores", scores)
        object.__setattr__(self, "seconds", seconds)

    def __len__(self) -> int:
        return len(self.scores)


@dataclass(frozen=True, slots=True)
class Reference:
    """What normalises the scores of one task: regret 0 is ``best``, regret 1 is ``start``, both in the metric's unit.

    Attributes:
        best: the best of 1,000 random configurations at any step.
        start: the median of their first scores.
        training_s: the median seconds of a full training.
    """

    best: float
    start: float
    training_s: float

    def regret(self, scores: FloatArray) -> FloatArray:
        """Normalised regret, any shape: below 0 for what beats the reference, at most 1; 1 for what is not finite."""
        with np.errstate(invalid="ignore", over="ignore"):
            regret = (self.best - np.asarray(scores, np.float64)) / (self.best - self.start)
        return np.where(np.isfinite(regret), np.minimum(regret, 1.0), 1.0)

    def best_so_far(self, scores: FloatArray) -> FloatArray:
        """Regret ``(n,)`` of the best of a sweep's first 1, 2, … n reports."""
        found: FloatArray = np.minimum.accumulate(self.regret(scores))
        return found


@dataclass(frozen=True)
class Task:
    """A sweep waiting to happen.

    Attributes:
        name: unique, ``family/…``.
        family: tasks of one family share their kind, and mostly their space.
        space: what is searched.
        metric: name of what is reported.
        mode: its direction.
        max_step: steps of a full training.
        source: the curves of n configurations; called once for each configuration, then kept in memory.
        meta: what a user could say of the task beforehand.
        optimum: the best score that exists, where that is known.
    """

    name: str
    family: str
    space: SearchSpace
    metric: str
    mode: Mode
    max_step: int
    source: Callable[[Sequence[Config]], Sequence[Curve]]
    meta: Mapping[str, TaskValue] = field(default_factory=dict)
    optimum: float | None = None

    @cached_property
    def _known(self) -> dict[str, Curve]:
        return {}

    def curve(self, config: Config) -> Curve:
        """What a full training of ``config`` would report; always the same.

        Raises:
            SearchSpaceError: the configuration lies outside the space.
        """
        key = json.dumps(config, sort_keys=True)
        if key not in self._known:
            [self._known[key]] = self.source([config])
        return self._known[key]

    @cached_property
    def reference(self) -> Reference:
        """From 1,000 random configurations, the same ones for every task of a space."""
        rng = np.random.default_rng(0)
        curves = self.source([self.space.sample(rng) for _ in range(REFERENCE_CONFIGS)])
        sign = self.mode.sign
        every = sign * np.concatenate([curve.scores for curve in curves])
        first = np.array([sign * curve.scores[0] if len(curve) else np.nan for curve in curves])
        # A first score that is not finite is the worst there is, so it counts for the median as the worst finite one.
        first = np.where(np.isfinite(first), first, np.min(first[np.isfinite(first)]))
        seconds = [curve.seconds[-1] for curve in curves if len(curve) == self.max_step]
        best, start = float(np.max(every[np.isfinite(every)])), float(np.median(first))
        return Reference(sign * best, sign * start, float(np.median(seconds)))

    def sweep(self, sweep_id: str) -> Sweep:
        """The task in the words of MetaHP."""
        return Sweep(sweep_id, self.space, self.metric, self.mode, self.max_step, self.meta, self.name)


def nearest(space: SearchSpace, configs: Sequence[Config], recorded: FloatArray) -> IntArray:
    """Which of the recorded points ``(n, d)`` of the unit cube is nearest (Euclidean) to each configuration."""
    asked, _ = space.encode(configs)
    distances = ((asked[:, None, :] - recorded[None, :, :]) ** 2).sum(axis=2)
    return distances.argmin(axis=1)


def data_directory(family: str) -> Path:
    """Where the data of a family lie.

    Raises:
        TaskDataMissingError: they do not; the message says where anyone gets them.
    """
    directory = DATA / family
    if not directory.is_dir():
        raise TaskDataMissingError(
            f"the curves of {family!r} are not in ../shared/data/{family} beside the project; "
            f"the docstring of benchmarks/tasks/{family}.py says where to get them. The synthetic tasks need no data"
        )
    return directory
