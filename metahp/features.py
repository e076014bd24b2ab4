"""Trials as arrays: the only place that knows how configurations and curves become numbers.

=========  =============================================================================
symbol     meaning
=========  =============================================================================
n, c, d    rows (points of curves), configurations (one per trial), columns of the space
fraction   step / steps of a full training, in ``(0, 1]``
level      score on the sweep's own scale: 0 where trials usually start, 1 the best seen, never below `FLOOR`
=========  =============================================================================
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from metahp.errors import SearchSpaceError
from metahp.space import SearchSpace
from metahp.types import Config, FloatArray, IntArray, LearningCurve, Mode, Sweep, Trial

BoolArray = NDArray[np.bool_]

FLOOR = -0.3
"""The level of a diverged report. How bad a bad score is says nothing about the good ones."""

SMALLEST_FRACTION = 1e-3
POINTS_PER_CURVE = 12
_MOST_ENCODED = 20_000
_LARGEST = 1e100  # no metric goes beyond, and squares stay finite
_ASTRAY = 10.0
_IMPLAUSIBLE = 1e9  # times the usual magnitude: 1e34 is a failure, a loss of 1e4 among losses of 1 is not


@dataclass(frozen=True, slots=True)
class Scale:
    """How a sweep's metric maps to levels: ``value = sign * (offset + spread * level)``, ``spread > 0``."""

    sign: float
    offset: float
    spread: float

    def levels(self, values: FloatArray) -> FloatArray:
        """Levels of the metric's values; NaN, infinite and implausibly large ones become `FLOOR`."""
        good = np.isfinite(values)
        levels = (self.sign * np.where(good, values, 0.0) - self.offset) / self.spread
        return np.where(good & (levels < 1e3), np.maximum(levels, FLOOR), FLOOR)

    def values(self, levels: FloatArray) -> FloatArray:
        """The metric's values at these levels."""
        return self.sign * (self.offset + self.spread * levels)


@dataclass(frozen=True, eq=False)
class Points:
    """Points of the unit cube of one space.

    Attributes:
        space: the space.
        units: shape ``(c, d)``, float64.
        active: shape ``(c, d)``, bool: whether the hyperparameter exists in that configuration.
    """

    space: SearchSpace
    units: FloatArray
    active: BoolArray

    def __len__(self) -> int:
        return len(self.units)

    def __getitem__(self, index: IntArray | slice | Sequence[int]) -> Points:
        return Points(self.space, self.units[index], self.active[index])

    @classmethod
    def joined(cls, parts: Sequence[Points]) -> Points:
        """Those of the first, then those of the next ones, all of one space; at least one."""
        units, active = ([part.units for part in parts], [part.active for part in parts])
        return cls(parts[0].space, np.concatenate(units), np.concatenate(active))

    @classmethod
    def landed(cls, space: SearchSpace, units: FloatArray) -> Points:
        """The legal points at ``(c, d)`` places of the unit cube."""
        return cls(space, *space.settle(units))

    def configs(self) -> list[dict[str, object]]:
        """The configurations, decoded."""
        return self.space.decode_all(self.units)


@dataclass(frozen=True, eq=False)
class Observations:
    """What one sweep has shown: c trials, n rows.

    Attributes:
        trial_ids: of the trials, c of them.
        points: their configurations.
        trial: shape ``(n,)``, int64: which trial a row belongs to.
        fraction: shape ``(n,)``, float64.
        level: shape ``(n,)``, float64.
    """

    trial_ids: tuple[str, ...]
    points: Points
    trial: IntArray
    fraction: FloatArray
    level: FloatArray

    def __len__(self) -> int:
        return len(self.level)

    def of_trials(self, chosen: IntArray) -> Observations:
        """The rows of these trials only."""
        place = np.full(len(self.points), -1)
        place[chosen] = np.arange(len(chosen))
        rows = place[self.trial] >= 0
        ids = tuple(self.trial_ids[index] for index in chosen)
        return Observations(ids, self.points[chosen], place[self.trial[rows]], self.fraction[rows], self.level[rows])


def encode(space: SearchSpace, configs: Sequence[Config]) -> Points:
    """Configurations as points; one that is not legal in ``space`` counts as unknown in every hyperparameter.

    Those of a running sweep are asked for again and again, so what was encoded is remembered.
    """
    if not configs:
        return Points(space, np.zeros((0, space.dimension)), np.zeros((0, space.dimension), bool))
    known = _encoded(space)
    names = [repr(config) for config in configs]
    found = {name: row for name in names if (row := known.get(name)) is not None}
    fresh = {name: config for name, config in zip(names, configs, strict=True) if name not in found}
    if fresh:
        points = _encode_all(space, list(fresh.values()))
        rows = dict(zip(fresh, zip(points.units, points.active, strict=True), strict=True))
        _remember(known, rows)
        found |= rows
    units, active = zip(*(found[name] for name in names), strict=True)
    return Points(space, np.stack(units), np.stack(active))


_Row = tuple[FloatArray, BoolArray]


@lru_cache(maxsize=4)
def _encoded(space: SearchSpace) -> dict[str, _Row]:
    """What `encode` has made of configurations, by what they look like."""
    return {}


def _remember(known: dict[str, _Row], fresh: dict[str, _Row]) -> None:
    if len(known) > _MOST_ENCODED:
        known.clear()
    known.update(fresh)


def _encode_all(space: SearchSpace, configs: Sequence[Config]) -> Points:
    try:
        return Points(space, *space.encode(configs))
    except SearchSpaceError:
        encoded = [_encode_one(space, config) for config in configs]
        return Points(space, *(np.concatenate(part) for part in zip(*encoded, strict=True)))


def _encode_one(space: SearchSpace, config: Config) -> tuple[FloatArray, BoolArray]:
    try:
        return space.encode([config])
    except SearchSpaceError:
        return np.full((1, space.dimension), 0.5), np.zeros((1, space.dimension), bool)


def observe(sweep: Sweep, trials: Sequence[Trial], scale: Scale, *, full: int, most_rows: int) -> Observations:
    """The trials' curves as at most ``most_rows`` rows: every curve thinned, its last point kept.

    Where even the last points are too many, the best and the newest trials stay.

    Args:
        sweep: the sweep.
        trials: its trials; those without reports are left out.
        scale: what levels mean.
        full: steps of a full training.
        most_rows: at least 1.
    """
    kept = _affordable(trials, scale, most_rows)
    each = max(1, min(POINTS_PER_CURVE, most_rows // max(len(kept), 1)))
    rows = [thin(trial.curve.steps, each) for trial in kept]
    steps = [trial.curve.steps[own] for trial, own in zip(kept, rows, strict=True)]
    values = [trial.curve.values[own] for trial, own in zip(kept, rows, strict=True)]
    return Observations(
        tuple(trial.trial_id for trial in kept),
        encode(sweep.space, [trial.config for trial in kept]),
        np.repeat(np.arange(len(kept)), [len(own) for own in rows]).astype(np.int64),
        fractions(np.concatenate([*steps, np.zeros(0)]), full),
        scale.levels(np.concatenate([*values, np.zeros(0)])),
    )


def thin(steps: IntArray, most: int) -> IntArray:
    """Indices of at most ``most`` of the steps: the last one, and others spread evenly over the logarithm."""
    if len(steps) <= most:
        return np.arange(len(steps))
    if most == 1:
        return np.array([len(steps) - 1])
    return _thinned(steps.astype(np.int64).tobytes(), most)


@lru_cache(maxsize=1024)  # the steps of most curves are 1, 2, ... of some length, and are asked about at every report
def _thinned(int64: bytes, most: int) -> IntArray:
    steps = np.frombuffer(int64, np.int64)
    wanted = np.geomspace(steps[0], steps[-1], most + 1)[1:]
    return np.unique(np.clip(np.searchsorted(steps, wanted * (1 + 1e-9), side="right") - 1, 0, len(steps) - 1))


def fractions(steps: IntArray | FloatArray, full: int) -> FloatArray:
    """Steps as fractions of a full training."""
    return np.clip(steps / full, SMALLEST_FRACTION, 1.0)


def full_step(sweep: Sweep, trials: Sequence[Trial]) -> int:
    """Steps of a full training: as declared, or the longest training seen."""
    return sweep.max_step or max((trial.curve.last_step for trial in trials), default=0) or 1


def passed(trial: Trial, following: Callable[[int], int]) -> int | None:
    """The first of the steps 1, ``following(1)``, … that the last report reached and those before it did not.

    Returns:
        None if there is none, as between two of them.
    """
    *_, before, last = (0, 0, *trial.curve.steps)
    step = 1
    while step <= before:
        step = following(step)
    return step if step <= last else None


def plausible(values: FloatArray) -> BoolArray:
    """Which values may be taken at face value: finite, and not billions of times larger than usual."""
    sizes = np.abs(values)
    possible = sizes < _LARGEST
    usual = sizes[possible & (sizes > 0)]
    return possible & (sizes <= _IMPLAUSIBLE * np.median(usual)) if len(usual) else possible


def natural_bounds(values: FloatArray) -> tuple[float, float]:
    """Where a metric must lie: from 0 to 1 if it never left that, from 0 on if it never was negative, else anywhere."""
    finite = values[np.isfinite(values)]
    if not len(finite) or finite.min() < 0.0:
        return -math.inf, math.inf
    return 0.0, 1.0 if finite.max() <= 1.0 else math.inf


def believable(sweep: Sweep, trials: Sequence[Trial]) -> list[Trial]:
    """The trials with every implausible value replaced by NaN."""
    values = [trial.curve.values for trial in trials]
    good = plausible(np.concatenate([*values, np.zeros(0)]))
    if good.all():
        return list(trials)
    cleaned, start = [], 0
    for trial, own in zip(trials, values, strict=True):
        cleaned.append(_masked(trial, good[start : start + len(own)]))
        start += len(own)
    return cleaned


def _masked(trial: Trial, good: BoolArray) -> Trial:
    if good.all():
        return trial
    points = [
        (m.step, m.value if fine else math.nan, m.elapsed_s)
        for m, fine in zip(trial.curve.measurements, good, strict=True)
    ]
    return Trial(trial.trial_id, trial.config, LearningCurve.of(points), trial.status)


def scale_of(mode: Mode, trials: Sequence[Trial]) -> Scale | None:
    """The scale on which the median first score is 0 and the best score 1; None where no two scores differ.

    First scores that went astray do not count for more than ten times the distance from the best score to the better
    quarter of the first ones: a loss of 1e6 among losses of 1 would leave nothing to tell the good ones apart by.
    """
    told = [trial.curve.values for trial in trials if len(trial.curve)]
    scores = mode.sign * np.concatenate([*told, np.zeros(0)])
    firsts = scores[np.cumsum([0, *map(len, told)], dtype=np.int64)[:-1]]
    scores, firsts = scores[np.isfinite(scores)], firsts[np.isfinite(firsts)]
    if not len(scores) or scores.max() == scores.min():
        return None
    best = float(scores.max())
    better, start = np.quantile(firsts if len(firsts) else scores, [0.75, 0.5])
    if better < best:
        start = max(start, best - _ASTRAY * (best - better))
    spread = best - start
    if spread <= 1e-9 * abs(best):  # nothing ever got better than it started
        spread = (best - float(np.median(scores))) or (best - float(scores.min()))
    return Scale(mode.sign, float(start), float(spread))


def _affordable(trials: Sequence[Trial], scale: Scale, most_rows: int) -> list[Trial]:
    told = [trial for trial in trials if len(trial.curve)]
    if len(told) <= most_rows:
        return told
    starts = np.cumsum([0, *(len(trial.curve) for trial in told[:-1])])
    best = np.maximum.reduceat(scale.levels(np.concatenate([trial.curve.values for trial in told])), starts)
    order = np.argsort(-best, kind="stable")
    by_score, others = order[: most_rows // 2], np.sort(order[most_rows // 2 :])
    newest = others[len(others) - (most_rows - len(by_score)) :]
    return [told[index] for index in np.sort(np.concatenate([by_score, newest]))]
