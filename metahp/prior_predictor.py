"""The predictor without history: curves rise and flatten, near configurations end alike, the last value counts most."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from metahp.archive import read_archive, write_archive
from metahp.features import Points
from metahp.surrogate.doubt import SPREAD, shape_factors
from metahp.surrogate.kernel import time_bases
from metahp.surrogate.names import is_choice
from metahp.surrogate.process import KNOTS
from metahp.surrogate.sweep_posterior import SweepPosterior
from metahp.types import FloatArray, Sweep, SweepHistory, Trial

KIND = "prior"
PRIOR = "prior"
"""What it is called in decisions, also where it stands in for a predictor whose past has no say."""

_MEAN = np.array([0.6, -0.2, -0.1, -0.4])  # at a full training; lower before it, by a power law and exponentials
_LENGTH = 0.5  # of the cube's diagonal: in more dimensions configurations lie further apart
_TREND_STD = 0.3  # of all columns' trends of one kind together, over the cube


class PriorBelief:
    """What one believes of any sweep; see `metahp.surrogate.process.Belief`."""

    spread = SPREAD

    def lengths(self, points: Points) -> FloatArray:
        """Shape ``(d,)``."""
        dimension = points.units.shape[1]
        return np.full(dimension, _LENGTH * max(dimension, 1) ** 0.5)

    def tables(self, points: Points) -> FloatArray:
        """Shape ``(c, 1 + BASES - 1, len(KNOTS))``."""
        mean = np.broadcast_to(_MEAN @ time_bases(np, KNOTS).T, (len(points), 1, len(KNOTS)))
        return np.concatenate([mean, shape_factors(len(points))], axis=1)


class TrendingBelief(PriorBelief):
    """The same, with a trend along each column of numbers: up, down, or about its middle.

    Much of what hyperparameters do they do one by one, and that is learned from few trials (Duvenaud et al. 2011,
    "Additive Gaussian processes").
    """

    def tables(self, points: Points) -> FloatArray:
        """Shape ``(c, 1 + BASES - 1 + 2 p, len(KNOTS))``, p columns of numbers."""
        trends = np.repeat(_trends(points)[:, :, None], len(KNOTS), axis=2)
        return np.concatenate([super().tables(points), trends], axis=1)


def _trends(points: Points) -> FloatArray:
    """Lines and parabolas ``(c, 2 p)``, of mean 0 over the cube."""
    numbers = ~is_choice(points.space)
    active = points.active[:, numbers]
    place = points.units[:, numbers] - 0.5
    both = np.concatenate([place * 12**0.5, (np.square(place) - 1 / 12) * 180**0.5], axis=1)  # of variance 1
    return np.where(np.tile(active, 2), both, 0.0) * (_TREND_STD / max(points.units.shape[1], 1) ** 0.5)


class PriorPredictor:
    """Predicts from the sweep's own observations only; needs neither Keras nor a history.

    `fit` and `update` are accepted and change nothing.

    Args:
        trends: whether it believes in `TrendingBelief`.
    """

    def __init__(self, *, trends: bool = False) -> None:
        self._belief = TrendingBelief() if trends else PriorBelief()

    def fit(self, history: Sequence[SweepHistory]) -> None:
        """Nothing is learned."""

    def update(self, history: Sequence[SweepHistory]) -> None:
        """Nothing is learned."""

    def condition(self, sweep: Sweep, trials: Sequence[Trial]) -> SweepPosterior:
        """See `metahp.predictor.Predictor`."""
        return SweepPosterior.given(self._belief, None, sweep, trials)

    def save(self, directory: Path) -> None:
        """See `metahp.predictor.Predictor`."""
        write_archive(directory, KIND, {}, {})

    @classmethod
    def load(cls, directory: Path) -> Self:
        """See `metahp.predictor.Predictor`."""
        read_archive(directory, KIND)
        return cls()
