"""A past sweep as the predictor keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metahp.features import Observations, Points, Scale, believable, full_step, observe, scale_of
from metahp.types import IntArray, Mode, SweepHistory, TaskValue

MOST_ROWS = 1200
_FEWEST_TRIALS = 2


@dataclass(frozen=True, eq=False)
class Task:
    """A past sweep: what was measured, and what it showed.

    Attributes:
        sweep_id: the sweep's identity.
        metric: what was measured.
        mode: which direction is better.
        scale: what its levels mean.
        observations: its rows.
        description: what its user wrote about the data.
    """

    sweep_id: str
    metric: str
    mode: Mode
    scale: Scale
    observations: Observations
    description: Mapping[str, TaskValue]

    @classmethod
    def of(cls, history: SweepHistory) -> Task | None:
        """What can be learned from a sweep; None where that is nothing: one trial, or no two scores that differ."""
        sweep, trials = history.sweep, believable(history.sweep, history.trials)
        scale = scale_of(sweep.mode, trials)
        if scale is None or sum(len(trial.curve) > 0 for trial in trials) < _FEWEST_TRIALS:
            return None
        observations = observe(sweep, trials, scale, full=full_step(sweep, trials), most_rows=MOST_ROWS)
        return cls(sweep.sweep_id, sweep.metric, sweep.mode, scale, observations, dict(sweep.task))

    def best(self, count: int) -> Points:
        """The ``count`` best configurations, best first."""
        return self.observations.points[self._by_score()[:count]]

    def most_telling(self, rows: int) -> Observations:
        """About ``rows`` rows: the trials with the longest curves."""
        seen = self.observations
        reach = np.zeros(len(seen.points))
        np.maximum.at(reach, seen.trial, seen.fraction)
        order = np.argsort(-reach, kind="stable")
        counts = np.bincount(seen.trial, minlength=len(seen.points))[order]
        return seen.of_trials(order[: max(int(np.searchsorted(np.cumsum(counts), rows)), 1)])

    def _by_score(self) -> IntArray:
        seen = self.observations
        best = np.full(len(seen.points), -np.inf)
        np.maximum.at(best, seen.trial, seen.level)
        return np.argsort(-best, kind="stable").astype(np.int64)
