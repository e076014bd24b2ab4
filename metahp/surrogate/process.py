"""The exact posterior of one sweep's curves, in NumPy: a Gaussian process with an unknown offset and spread.

=============  ===========  ==========================================================================
symbol         shape        meaning
=============  ===========  ==========================================================================
``v``          ``(n,)``     levels on a provisional scale, as far as the sweep has shown
``g``          ``(n,)``     prior mean of the rows, in levels
``L``          ``(n, n)``   Cholesky factor of the covariance of the rows, in levels
``a, s``       scalars      ``v = a + s * (a draw of the process)``: where this sweep really lies
=============  ===========  ==========================================================================

``a`` is integrated out in closed form; ``s`` over a grid. The prior over curves is a `Belief`: a mean, factors
along which whole sweeps differ, and a covariance within the sweep.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np

from metahp.features import Points
from metahp.surrogate.kernel import (
    Spread,
    choice_distance,
    fade,
    located,
    matern52,
    mixed,
    squared_distance,
)
from metahp.surrogate.names import is_choice
from metahp.types import FloatArray, IntArray

KNOTS = np.geomspace(1e-3, 1.0, 25)
_LOG_KNOTS = np.log(KNOTS)
_GRID = np.linspace(-2.5, 2.5, 21)
_SMALL = 24


class Belief(Protocol):
    """What is believed about a sweep before it starts."""

    @property
    def spread(self) -> Spread:
        """The covariance within the sweep."""
        ...

    def tables(self, points: Points) -> FloatArray:
        """Prior mean (first) and factors of configurations at `KNOTS`: shape ``(c, 1 + r, len(KNOTS))``."""
        ...

    def lengths(self, points: Points) -> FloatArray:
        """Shape ``(d,)``: the distance at which each column makes configurations differ."""
        ...


@dataclass(frozen=True, slots=True)
class ScalePrior:
    """What is believed about ``a`` (normal) and ``s`` (log-normal)."""

    offset: float
    offset_std: float
    log_spread: float
    log_spread_std: float


@dataclass(frozen=True, eq=False)
class Rows:
    """Places on curves: which configuration, which trial, which fraction.

    Attributes:
        points: the c configurations.
        config: shape ``(n,)``: index of the configuration.
        trial: shape ``(n,)``: index of the trial; equal numbers share what only that trial knows.
        fraction: shape ``(n,)``.
        prior: prior mean and factors there, shape ``(n, 1 + r)``.
    """

    points: Points
    config: IntArray
    trial: IntArray
    fraction: FloatArray
    prior: FloatArray

    @classmethod
    def believed(cls, belief: Belief, points: Points, config: IntArray, trial: IntArray, fraction: FloatArray) -> Rows:
        """These places, with what is believed of them."""
        tables = belief.tables(points)
        position = np.interp(np.log(fraction), _LOG_KNOTS, np.arange(len(KNOTS)))
        below = np.minimum(position.astype(np.int64), len(KNOTS) - 2)
        share = (position - below)[:, None]
        left, right = tables[config, :, below], tables[config, :, below + 1]
        return cls(points, config, trial, fraction, left * (1.0 - share) + right * share)

    def __len__(self) -> int:
        return len(self.config)

    def joined(self, other: Rows) -> Rows:
        """These rows, then the other ones."""
        return Rows(
            Points.joined([self.points, other.points]),
            np.concatenate([self.config, other.config + len(self.points)]),
            np.concatenate([self.trial, other.trial]),
            np.concatenate([self.fraction, other.fraction]),
            np.concatenate([self.prior, other.prior]),
        )


def covariance(belief: Belief, left: Rows, right: Rows) -> FloatArray:
    """Prior covariance ``(n, m)`` of two sets of rows, without noise."""
    spread = belief.spread
    faded = fade(np, np.log(left.fraction), np.log(right.fraction), spread.memory)
    alike = similarity(left.points, right.points, belief.lengths(left.points))[np.ix_(left.config, right.config)]
    total = left.prior[:, 1:] @ right.prior[:, 1:].T + spread.sweep_std**2
    total += spread.config_std**2 * alike * mixed(spread.config_share, faded)
    same = left.trial[:, None] == right.trial[None, :]
    total += np.where(same, spread.trial_std**2 * mixed(spread.trial_share, faded), 0.0)
    return total


def variance(belief: Belief, rows: Rows) -> FloatArray:
    """The diagonal ``(n,)`` of `covariance`, with noise."""
    spread = belief.spread
    own = spread.config_std**2 + spread.trial_std**2 + spread.sweep_std**2 + spread.noise_std**2
    return own + np.square(rows.prior[:, 1:]).sum(1)


def similarity(left: Points, right: Points, lengths: FloatArray) -> FloatArray:
    """Matern correlation ``(c, k)`` of configurations of one space."""
    choice = is_choice(left.space)
    here, there = (
        located(np, each.units[:, ~choice], each.active[:, ~choice], lengths[~choice]) for each in (left, right)
    )
    squared = squared_distance(np, here, there)
    if choice.any():
        own, other = (np.where(each.active, each.units, -1.0)[:, choice] for each in (left, right))
        squared = squared + choice_distance(np, own, other, lengths[choice])
    return matern52(np, squared)


@dataclass(frozen=True, eq=False)
class Process:
    """The posterior of one sweep.

    Attributes:
        belief: the prior.
        scale: what is believed about offset and spread.
        rows: what was observed, n rows.
        level: shape ``(n,)``: the observed provisional levels.
        whitener: shape ``(n, n)``: inverse of the Cholesky factor of the rows' covariance.
    """

    belief: Belief
    scale: ScalePrior
    rows: Rows
    level: FloatArray
    whitener: FloatArray

    @classmethod
    def given(cls, belief: Belief, scale: ScalePrior, rows: Rows, level: FloatArray) -> Process:
        """Condition on the rows."""
        noise = belief.spread.noise_std**2
        factor = np.linalg.cholesky(covariance(belief, rows, rows) + noise * np.eye(len(rows)))
        return cls(belief, scale, rows, level, _triangular_inverse(factor))

    def extended(self, rows: Rows, level: FloatArray) -> Process:
        """Condition on more rows, appended to the factor."""
        cross = self.whitener @ covariance(self.belief, self.rows, rows)
        noise = self.belief.spread.noise_std**2
        own = covariance(self.belief, rows, rows) + noise * np.eye(len(rows)) - cross.T @ cross
        corner = _triangular_inverse(np.linalg.cholesky(own))
        above = np.zeros((len(self.rows), len(rows)))
        whitener = np.block([[self.whitener, above], [-corner @ cross.T @ self.whitener, corner]])
        levels = np.concatenate([self.level, level])
        return Process(self.belief, self.scale, self.rows.joined(rows), levels, whitener)

    def predict(self, rows: Rows) -> tuple[FloatArray, FloatArray]:
        """Mean and variance ``(m,)`` of the provisional level, noise included, averaged over the spread."""
        cross = self.whitener @ covariance(self.belief, self.rows, rows)
        seen, prior, one = self._white
        own = np.maximum(variance(self.belief, rows) - np.square(cross).sum(0), self.belief.spread.noise_std**2)
        spread, weight, offset, precision = self._spreads
        mean_shift = rows.prior[:, 0] - cross.T @ prior
        unexplained = 1.0 - cross.T @ one
        means = (cross.T @ seen)[:, None] + spread * mean_shift[:, None] + offset * unexplained[:, None]
        variances = spread**2 * (own[:, None] + np.square(unexplained)[:, None] / precision)
        mean = means @ weight
        return mean, variances @ weight + np.square(means - mean[:, None]) @ weight

    def draw(self, rows: Rows, count: int, rng: np.random.Generator) -> FloatArray:
        """Joint draws ``(count, m)`` of the provisional levels, noise included."""
        cross = self.whitener @ covariance(self.belief, self.rows, rows)
        seen, prior, one = self._white
        spread, weight, offset, precision = self._spreads
        noise = self.belief.spread.noise_std**2 * np.eye(len(rows))
        factor = np.linalg.cholesky(covariance(self.belief, rows, rows) + noise - cross.T @ cross)
        unexplained = 1.0 - cross.T @ one
        chosen = rng.choice(len(spread), count, p=weight)
        scale = spread[chosen, None]
        mean = cross.T @ seen + scale * (rows.prior[:, 0] - cross.T @ prior) + offset[chosen, None] * unexplained
        shift = rng.standard_normal((count, 1)) / np.sqrt(precision[chosen, None])
        return mean + scale * (rng.standard_normal((count, len(rows))) @ factor.T + shift * unexplained)

    @cached_property
    def _white(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Whitened ``v``, ``g`` and ones."""
        return (
            self.whitener @ self.level,
            self.whitener @ self.rows.prior[:, 0],
            self.whitener @ np.ones(len(self.rows)),
        )

    @cached_property
    def _spreads(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Over the grid of ``s``: its values, their weights, the offset ``a`` and the precision of ``a / s``."""
        seen, prior, one = self._white
        grid = self.scale.log_spread + self.scale.log_spread_std * _GRID
        spread = np.exp(grid)
        start, tightness = self.scale.offset / spread, np.square(spread / self.scale.offset_std)
        residual = seen[:, None] / spread - prior[:, None] - start * one[:, None]
        precision = one @ one + tightness
        shift = (one @ residual) / precision
        misfit = np.square(residual).sum(0) - precision * np.square(shift)
        log_weight = -0.5 * misfit - len(seen) * grid - 0.5 * np.log(precision / tightness) - 0.5 * np.square(_GRID)
        weight = np.exp(log_weight - log_weight.max())
        return spread, weight / weight.sum(), spread * (start + shift), precision


def _triangular_inverse(lower: FloatArray) -> FloatArray:
    """Of a lower triangular matrix ``(n, n)``: by halves, which is a fourth of the work of a general inverse."""
    half, inverse = len(lower) // 2, np.zeros_like(lower)
    if half <= _SMALL:
        inverse[:] = np.linalg.inv(lower)
        return inverse
    inverse[:half, :half] = first = _triangular_inverse(lower[:half, :half])
    inverse[half:, half:] = last = _triangular_inverse(lower[half:, half:])
    inverse[half:, :half] = -last @ (lower[half:, :half] @ first)
    return inverse
