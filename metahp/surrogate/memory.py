"""Past sweeps as functions: how each of them would judge any configuration, of any space.

A new sweep is believed to be like one of the past ones, nobody knows which: its prior mean is their average, and
their differences are the directions in which it may differ. On truncated histories this ranks the configurations of
a new sweep better than the trunk's own mean, which enters as one more past sweep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from metahp.features import Observations, Points
from metahp.surrogate.doubt import SPREAD, shape_factors
from metahp.surrogate.kernel import Learned, Spread, fade, mixed, time_bases
from metahp.surrogate.names import translate
from metahp.surrogate.process import KNOTS, Belief, Rows, covariance, similarity
from metahp.types import FloatArray, IntArray

ROWS_PER_TASK = 240
_MOST_CACHED = 2048
_KNOT_BASES = time_bases(np, KNOTS)


@dataclass(frozen=True, eq=False)
class Features:
    """Configurations in the terms of a trained predictor.

    Attributes:
        psi: gives the trunk's features ``(c, J)`` of configurations.
        lengths: gives the distances ``(d,)`` at which the columns of a space make configurations differ.
        learned: the rest of what was learned.
    """

    psi: Callable[[Points], FloatArray]
    lengths: Callable[[Points], FloatArray]
    learned: Learned


@dataclass(frozen=True, eq=False)
class Lesson:
    """The posterior mean of one past sweep, at any configuration and the `KNOTS`.

    Attributes:
        weights: shape ``(J, BASES)``: what the trunk's features are worth there.
        shift: how far the whole sweep lies off.
        points: its configurations, c of them.
        near: shape ``(c, len(KNOTS))``: what being close to one of them adds.
        lengths: shape ``(d,)``: what close means.
    """

    weights: FloatArray
    shift: float
    points: Points
    near: FloatArray
    lengths: FloatArray

    @classmethod
    def of(cls, seen: Observations, features: Features) -> Lesson:
        """What a sweep's rows teach."""
        learned, spread, points = features.learned, features.learned.spread, seen.points
        belief = TrunkBelief(features)
        rows = Rows.believed(belief, points, seen.trial, seen.trial, seen.fraction)
        noisy = covariance(belief, rows, rows) + spread.noise_std**2 * np.eye(len(rows))
        alpha = np.linalg.solve(noisy, seen.level - rows.prior[:, 0])
        phi = features.psi(points)[seen.trial][:, :, None] * time_bases(np, seen.fraction)[:, None, :]
        weights = learned.mean + learned.std**2 * np.einsum("njl,n->jl", phi, alpha)
        pull = alpha[:, None] * mixed(
            spread.config_share, fade(np, np.log(seen.fraction), np.log(KNOTS), spread.memory)
        )
        near = np.zeros((len(points), len(KNOTS)))
        np.add.at(near, seen.trial, spread.config_std**2 * pull)
        return cls(weights, float(spread.sweep_std**2 * alpha.sum()), points, near, belief.lengths(points))

    def judge(self, psi: FloatArray, alike: FloatArray) -> FloatArray:
        """Levels ``(n, len(KNOTS))`` that this sweep would expect of n configurations.

        Args:
            psi: shape ``(n, J)``: their features.
            alike: shape ``(n, c)``: their similarity to this sweep's.
        """
        known = psi @ self.weights @ _KNOT_BASES.T
        return known + self.shift + alike @ self.near


@dataclass(frozen=True, eq=False)
class TrunkBelief:
    """What the trunk alone believes of a sweep; see `metahp.surrogate.process.Belief`."""

    features: Features

    @property
    def spread(self) -> Spread:
        """The covariance within the sweep."""
        return self.features.learned.spread

    def lengths(self, points: Points) -> FloatArray:
        """Shape ``(d,)``."""
        return self.features.lengths(points)

    def tables(self, points: Points) -> FloatArray:
        """Shape ``(c, 1 + J * BASES, len(KNOTS))``."""
        return self.tables_of(self.features.psi(points))

    def tables_of(self, psi: FloatArray) -> FloatArray:
        """The same of configurations with features ``psi``."""
        learned = self.features.learned
        mean = (psi @ learned.mean @ _KNOT_BASES.T)[:, None, :]
        factors = psi[:, :, None, None] * learned.std[:, :, None] * _KNOT_BASES.T
        return np.concatenate([mean, factors.reshape(len(psi), learned.std.size, len(KNOTS))], axis=1)


class MemoryBelief:
    """What past sweeps make one believe of a new one; see `metahp.surrogate.process.Belief`.

    Args:
        features: of configurations.
        lessons: of T past sweeps, at least one.
        weights: shape ``(T,)``, adding up to 1: how much each of them counts.
    """

    spread = SPREAD

    def __init__(self, features: Features, lessons: Sequence[Lesson], weights: FloatArray) -> None:
        self.features, self.lessons, self.weights = features, lessons, weights
        self._trunk = TrunkBelief(features)

    def lengths(self, points: Points) -> FloatArray:
        """Shape ``(d,)``."""
        return self.features.lengths(points)

    def tables(self, points: Points) -> FloatArray:
        """Shape ``(c, 1 + T + J * BASES + BASES - 1, len(KNOTS))``."""
        psi, count = self.features.psi(points), len(self.lessons)
        own, judged = self._trunk.tables_of(psi), self._judged(points, psi)
        share = self.weights * count / (count + 1)  # the trunk counts as one more sweep
        mean = np.tensordot(share, judged, 1) + own[:, 0] / (count + 1)
        factors = np.moveaxis(judged - mean, 0, 1) * np.sqrt(share)[:, None]
        shape = shape_factors(len(points))
        return np.concatenate([mean[:, None], factors, own[:, 1:] / np.sqrt(count + 1), shape], axis=1)

    def judgements(self, points: Points) -> FloatArray:
        """Levels ``(T, c, len(KNOTS))`` that each past sweep would expect."""
        return self._judged(points, self.features.psi(points))

    def _judged(self, points: Points, psi: FloatArray) -> FloatArray:
        judged = np.empty((len(self.lessons), len(points), len(KNOTS)))
        for places, known, ends in self._by_space:
            alike = similarity(translate(points, known.space), known, self.lessons[places[0]].lengths)
            for place, own in zip(places, np.split(alike, ends, axis=1), strict=True):
                judged[place] = self.lessons[place].judge(psi, own)
        return judged

    @cached_property
    def _by_space(self) -> list[tuple[list[int], Points, IntArray]]:
        """The lessons of each space, all their configurations, and where those of the next lesson begin."""
        spaces = dict.fromkeys(lesson.points.space.identity for lesson in self.lessons)
        groups = []
        for identity in spaces:
            places = [n for n, lesson in enumerate(self.lessons) if lesson.points.space.identity == identity]
            own = [self.lessons[place].points for place in places]
            groups.append((places, Points.joined(own), np.cumsum([len(points) for points in own])[:-1]))
        return groups


class CachedBelief:
    """A belief that computes the tables of a configuration once, as long as they are asked for again.

    Args:
        belief: the belief.
    """

    def __init__(self, belief: Belief) -> None:
        self._belief = belief
        self._known: dict[bytes, FloatArray] = {}
        self._older: dict[bytes, FloatArray] = {}

    @property
    def spread(self) -> Spread:
        """The covariance within the sweep."""
        return self._belief.spread

    def lengths(self, points: Points) -> FloatArray:
        """Shape ``(d,)``."""
        return self._belief.lengths(points)

    def tables(self, points: Points) -> FloatArray:
        """See `Belief.tables`; only configurations not met before are computed."""
        if not len(points):
            return self._belief.tables(points)
        keys = [unit.tobytes() + exists.tobytes() for unit, exists in zip(points.units, points.active, strict=True)]
        self._make_room()
        self._known |= {key: found for key in keys if (found := self._older.get(key)) is not None}
        fresh = {key: row for row, key in enumerate(keys) if key not in self._known}
        if fresh:
            self._known.update(zip(fresh, self._belief.tables(points[list(fresh.values())]), strict=True))
        return np.stack([self._known[key] for key in keys])

    def _make_room(self) -> None:
        """Of the hundreds of candidates that were judged once none stays for good, of the trials all."""
        if len(self._known) > _MOST_CACHED:
            self._known, self._older = {}, self._known
