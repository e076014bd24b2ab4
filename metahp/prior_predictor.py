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
from metahp.surrogate.process import KNOTS
from metahp.surrogate.sweep_posterior import SweepPosterior
from metahp.types import FloatArray, Sweep, SweepHistory, Trial

KIND = "prior"

_MEAN = np.array([0.6, -0.2, -0.1, -0.4])  # at a full training; lower before it, by a power law and exponentials
_LENGTH = 0.5  # of the cube's diagonal: in more dimensions configurations lie further apart


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


class PriorPredictor:
    """Predicts from the sweep's own observations only; needs neither Keras nor a history.

    `fit` and `update` are accepted and change nothing.
    """

    def fit(self, history: Sequence[SweepHistory]) -> None:
        """Nothing is learned."""

    def update(self, history: Sequence[SweepHistory]) -> None:
        """Nothing is learned."""

    def condition(self, sweep: Sweep, trials: Sequence[Trial]) -> SweepPosterior:
        """See `metahp.predictor.Predictor`."""
        return SweepPosterior.given(PriorBelief(), None, sweep, trials)

    def save(self, directory: Path) -> None:
        """See `metahp.predictor.Predictor`."""
        write_archive(directory, KIND, {}, {})

    @classmethod
    def load(cls, directory: Path) -> Self:
        """See `metahp.predictor.Predictor`."""
        read_archive(directory, KIND)
        return cls()
