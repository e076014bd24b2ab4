"""Transfer without a model of curves: a zero-shot portfolio, and Thompson sampling from a Gaussian copula.

Both learn from past sweeps of the same space, whose trials were mostly cut short; neither learns within a sweep.
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


def portfolio(space: SearchSpace, sweeps: Sequence[SweepHistory]) -> list[Config]:
    """Configurations that together contain a good one for every past task, the most useful first.

    Greedy submodular cover (Wistuba et al. 2015) of the 8 best configurations of each past sweep. How good each would
    be on each task after a full training is imputed by a forest per sweep, as Syne Tune's ``ZeroShotTransfer`` does;
    ours also takes the step, since most trials were cut short: without it, a trial that was stopped after one step
    counts as a bad one (regret of the first four configurations on LCBench: .19 without the step, .10 with it).

    Args:
        space: of the new sweep.
        sweeps: past ones; those of another space are ignored.
    """
    usable = [sweep for sweep in sweeps if sweep.sweep.space == space and sweep.incumbent() is not None]
    if not usable:
        return []
    candidates = [config for sweep in usable for config in _best_configs(sweep)]
    full = max(_full_step(sweep) for sweep in usable)
    points = with_step(encoded(space, candidates), full)
    table = np.array([_forest(space, sweep).predict(points) for sweep in usable])
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
    Syne Tune the regressor is a forest of trees with one spread for all, and nothing is learned within the sweep. For
    the reason given at `portfolio` ours takes the step, too, and is asked for the last one.

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
        usable = [s for s in self._sweeps if s.sweep.space == self._space and s.incumbent() is not None]
        points, scores = zip(*(_best_by_step(self._space, s) for s in usable), strict=True) if usable else ((), ())
        quantiles = [_gaussian_ranks(own) for own in scores]
        self._forest: ExtraTreesRegressor | None = None
        self._full = max((_full_step(s) for s in usable), default=1)
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
        mean = self._forest.predict(with_step(encoded(self._space, candidates), self._full))
        return candidates[int(np.argmax(mean + self._spread * self._rng.standard_normal(CANDIDATES)))]

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Learns nothing."""

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """Learns nothing."""


def normalised_scores(history: SweepHistory) -> FloatArray:
    """The best score of each trial, shape ``(n,)``: 0 for the median first score, 1 for the sweep's best."""
    best = [trial.curve.best(history.sweep.mode) for trial in history.trials]
    return _normalised(history, np.array([np.nan if value is None else value for value in best]))


def _normalised(history: SweepHistory, values: FloatArray) -> FloatArray:
    """Values of the metric, any shape, where 1 is the sweep's best and 0 its median first score; see `WORST`."""
    sign = history.sweep.mode.sign
    every = sign * np.concatenate([trial.curve.values for trial in history.trials])
    first = np.array([sign * trial.curve.values[0] for trial in history.trials if len(trial.curve)])
    finite = every[np.isfinite(every)]
    start = float(np.median(np.where(np.isfinite(first), first, finite.min())))
    scaled = (sign * values - start) / max(float(finite.max()) - start, 1e-12)
    return np.where(np.isfinite(scaled), np.maximum(scaled, WORST), WORST)


def _best_configs(history: SweepHistory) -> list[Config]:
    best = np.argsort(-normalised_scores(history), kind="stable")[:BEST_OF_EACH]
    return [history.trials[i].config for i in best]


def _full_step(history: SweepHistory) -> int:
    return history.sweep.max_step or max(trial.curve.last_step for trial in history.trials)


def encoded(space: SearchSpace, configs: Sequence[Config]) -> FloatArray:
    """Points of the unit cube and what exists in them, shape ``(n, 2d)``."""
    units, active = space.encode(configs)
    return np.hstack([units, active])


def with_step(points: FloatArray, steps: FloatArray | int) -> FloatArray:
    """Points ``(n, m)`` with the logarithm of a step as another column."""
    return np.column_stack([points, np.broadcast_to(np.log(steps), len(points))])


def _forest(space: SearchSpace, history: SweepHistory) -> ExtraTreesRegressor:
    """Predicts the best normalised score that a configuration has reached by a step."""
    return ExtraTreesRegressor(TREES, min_samples_leaf=2, random_state=0).fit(*_best_by_step(space, history))


def _best_by_step(space: SearchSpace, history: SweepHistory) -> tuple[FloatArray, FloatArray]:
    """A row for each report: configuration and step, shape ``(n, 2d + 1)``, and the best normalised score by then."""
    trials = [trial for trial in history.trials if len(trial.curve)]
    lengths = [len(trial.curve) for trial in trials]
    points = np.repeat(encoded(space, [trial.config for trial in trials]), lengths, axis=0)
    steps = np.concatenate([trial.curve.steps for trial in trials])
    best = [np.maximum.accumulate(_normalised(history, trial.curve.values)) for trial in trials]
    return with_step(points, steps), np.concatenate(best)


def _gaussian_ranks(scores: FloatArray) -> FloatArray:
    ranks = (np.argsort(np.argsort(scores, kind="stable")) + 0.5) / len(scores)
    return np.array([NormalDist().inv_cdf(rank) for rank in ranks])
