"""The predictor without history: curves rise and flatten, near configurations end alike, the last value counts most."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from metahp.archive import read_archive, write_archive
from metahp.features import Points
from metahp.surrogate.kernel import Spread, time_bases
from metahp.surrogate.process import KNOTS
from metahp.surrogate.sweep_posterior import SweepPosterior
from metahp.types import FloatArray, Sweep, SweepHistory, Trial

KIND = "prior"

_SPREAD = Spread(
    config_std=0.35,
    config_share=0.55,
    trial_std=0.1,
    trial_share=0.5,
    sweep_std=0.3,
    noise_std=0.04,
    memory=2.5,
)
_MEAN = np.array([0.6, -0.25, -0.2])  # at a full training; lower before it, by a power law and an exponential
_STD = np.array([0.0, 0.2, 0.2])  # how far sweeps differ in the shape of their curves
_LENGTH = 0.5  # of the cube's diagonal: in more dimensions configurations lie further apart


class PriorBelief:
    """What one believes of any sweep; see `metahp.surrogate.process.Belief`."""

    spread = _SPREAD

    def lengths(self, points: Points) -> FloatArray:
        """Shape ``(d,)``."""
        dimension = points.units.shape[1]
        return np.full(dimension, _LENGTH * max(dimension, 1) ** 0.5)

    def tables(self, points: Points) -> FloatArray:
        """Shape ``(c, 3, len(KNOTS))``."""
        bases = time_bases(np, KNOTS).T
        table = np.stack([_MEAN @ bases, *(_STD[1:, None] * bases[1:])])
        return np.broadcast_to(table, (len(points), *table.shape))


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
