"""Transfer without a model of curves: a zero-shot portfolio, and Thompson sampling from a Gaussian copula.

Both see of every past sweep the best score of each trial, however short it was, and only sweeps of the same space.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
from ray.tune.search import Searcher
from sklearn.ensemble import ExtraTreesRegressor

from metahp.space import SearchSpace
from metahp.types import Config, FloatArray, SweepHistory
from metahp_searchers.ray_space import from_tune

BEST_OF_EACH = 8
PORTFOLIO_SIZE = 40
WORST = -0.3  # normalised score of what diverged or never got better than the start
CANDIDATES = 2000
TREES = 100


def portfolio(space: SearchSpace, sweeps: Sequence[SweepHistory], seed: int) -> list[Config]:
    """Configurations that together contain a good one for every past task, the most useful first.

    Greedy submodular cover (Wistuba et al. 2015) of the 8 best configurations of each past sweep. How a configuration
    would have done in the other sweeps is imputed by a forest per sweep, as in Syne Tune's ``ZeroShotTransfer``.

    Args:
        space: of the new sweep.
        sweeps: past ones; those of another space are ignored.
        seed: of the forests.
    """
    usable = [sweep for sweep in sweeps if sweep.sweep.space == space and sweep.incumbent() is not None]
    if not usable:
        return []
    scores = [normalised_scores(sweep) for sweep in usable]
    tops = [np.argsort(-own, kind="stable")[:BEST_OF_EACH] for own in scores]
    candidates = [sweep.trials[i].config for sweep, top in zip(usable, tops, strict=True) for i in top]
    points = encoded(space, candidates)
    table = np.array([_forest(space, s, own, seed).predict(points) for s, own in zip(usable, scores, strict=True)])
    column = 0
    for row, (own, top) in enumerate(zip(scores, tops, strict=True)):
        table[row, column : column + len(top)] = own[top]  # what was seen needs no forest
        column += len(top)
    return [candidates[i] for i in greedy_cover(table, PORTFOLIO_SIZE)]


def greedy_cover(table: FloatArray, size: int) -> list[int]:
    """Columns of a ``(tasks, candidates)`` table, each adding most to the mean over tasks of the best value so far."""
    chosen: list[int] = []
    best = np.full(len(table), -np.inf)
    for _ in range(min(size, table.shape[1])):
        gains = np.maximum(table, best[:, None]).mean(axis=0)
        gains[chosen] = -np.inf
        chosen.append(int(np.argmax(gains)))
        best = np.maximum(best, table[:, chosen[-1]])
    return chosen


class CopulaSearch(Searcher):
    """Quantile-based transfer by Thompson sampling (Salinas, Shen, Perrone 2020, CTS).

    Scores of each past sweep are mapped through their ranks to a standard normal; one regressor over all of them gives
    mean and spread for any configuration, from which 2,000 random candidates are drawn and the best is suggested. As in
    Syne Tune the regressor is a forest of trees with one spread for all, and nothing is learned within the sweep.

    Args:
        sweeps: past ones; those of another space are ignored.
        seed: of the forest and of the draws.
    """

    def __init__(self, sweeps: Sequence[SweepHistory], seed: int) -> None:
        super().__init__()
        self._sweeps = sweeps
        self._seed = seed
        self._rng = np.random.default_rng(seed)

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        """Takes the space from Tune's ``param_space``, and learns from the past."""
        self._metric, self._mode = metric, mode
        self._space = from_tune(config)
        usable = [s for s in self._sweeps if s.sweep.space == self._space and s.trials]
        points = [encoded(self._space, [trial.config for trial in s.trials]) for s in usable]
        quantiles = [_gaussian_ranks(normalised_scores(s)) for s in usable]
        self._forest: ExtraTreesRegressor | None = None
        if usable:
            self._fit(np.concatenate(points), np.concatenate(quantiles))
        return True

    def _fit(self, points: FloatArray, quantiles: FloatArray) -> None:
        self._forest = ExtraTreesRegressor(
            TREES, min_samples_leaf=5, bootstrap=True, oob_score=True, random_state=self._seed % 2**32
        )
        self._forest.fit(points, quantiles)
        self._spread = float(np.std(quantiles - self._forest.oob_prediction_))

    def suggest(self, trial_id: str) -> dict[str, Any]:
        """The best of one joint draw."""
        if self._forest is None:
            return self._space.sample(self._rng)
        candidates = [self._space.sample(self._rng) for _ in range(CANDIDATES)]
        mean = self._forest.predict(encoded(self._space, candidates))
        return candidates[int(np.argmax(mean + self._spread * self._rng.standard_normal(CANDIDATES)))]

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Learns nothing."""

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Learns nothing."""


def normalised_scores(history: SweepHistory) -> FloatArray:
    """The best score of each trial, shape ``(n,)``: 0 for the median first score, 1 for the sweep's best."""
    sign = history.sweep.mode.sign
    best = [trial.curve.best(history.sweep.mode) for trial in history.trials]
    scores = np.array([np.nan if value is None else sign * value for value in best])
    first = np.array([sign * trial.curve.values[0] for trial in history.trials if len(trial.curve)])
    first = np.where(np.isfinite(first), first, np.min(first[np.isfinite(first)], initial=np.inf))
    start, top = float(np.median(first)), float(np.nanmax(scores))
    scaled = (scores - start) / max(top - start, 1e-12)
    return np.where(np.isfinite(scaled), np.maximum(scaled, WORST), WORST)


def encoded(space: SearchSpace, configs: Sequence[Config]) -> FloatArray:
    """Points of the unit cube and what exists in them, shape ``(n, 2d)``."""
    units, active = space.encode(configs)
    return np.hstack([units, active])


def _forest(space: SearchSpace, history: SweepHistory, scores: FloatArray, seed: int) -> ExtraTreesRegressor:
    points = encoded(space, [trial.config for trial in history.trials])
    return ExtraTreesRegressor(TREES, min_samples_leaf=2, random_state=seed % 2**32).fit(points, scores)


def _gaussian_ranks(scores: FloatArray) -> FloatArray:
    ranks = (np.argsort(np.argsort(scores, kind="stable")) + 0.5) / len(scores)
    return np.array([NormalDist().inv_cdf(rank) for rank in ranks])
