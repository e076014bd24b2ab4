"""Which hyperparameters mattered in a sweep: shares of the variance of predicted final scores (functional ANOVA).

Hutter, Hoos & Leyton-Brown 2014, "An efficient approach for assessing hyperparameter importance", with the predictor of
this sweep in the place of their random forest: pruned trials count, as far as they went.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metahp.domains import Categorical
from metahp.features import BoolArray, full_step
from metahp.predictor import Predictor
from metahp.prior_predictor import PriorPredictor
from metahp.space import Parameter
from metahp.types import FloatArray, IntArray, SweepHistory, Trial

_CONFIGS = 2000
_BINS = 10
_FEWEST_TRIALS = 5
_LEAST_SIGNAL = 0.3  # of the predictions' own uncertainty; 60 equal trials come to 0.2


@dataclass(frozen=True, slots=True)
class Importance:
    """What a hyperparameter explains.

    Attributes:
        name: its path.
        share: of the variance over the whole space that it explains alone, in ``[0, 1]``.
    """

    name: str
    share: float


def importances(history: SweepHistory, predictor: Predictor | None = None) -> list[Importance]:
    """The hyperparameters of a sweep, the most important first; what they do together is in none of the shares.

    Args:
        history: the sweep.
        predictor: what predicts; by default one that knows this sweep alone.

    Returns:
        nothing where fewer than five trials have reported, or all are predicted to end alike.
    """
    sweep = history.sweep
    told = [trial for trial in history.trials if trial.curve.best(sweep.mode) is not None]
    if len(told) < _FEWEST_TRIALS:
        return []
    units = np.random.default_rng(0).random((_CONFIGS, sweep.space.dimension))
    configs = [sweep.space.decode(unit) for unit in units]
    posterior = (predictor or PriorPredictor()).condition(sweep, history.trials)
    queries = [Trial(f"query {number}", config) for number, config in enumerate(configs)]
    prediction = posterior.predict(queries, [full_step(sweep, told)] * _CONFIGS)
    scores = prediction.mean
    if float(np.std(scores)) <= _LEAST_SIGNAL * float(np.mean(prediction.std)):
        return []
    places, active = sweep.space.encode(configs)
    shares = [
        Importance(parameter.key, _share(scores, _groups(parameter, places[:, column], active[:, column])))
        for column, parameter in enumerate(sweep.space.parameters)
    ]
    return sorted(shares, key=lambda each: -each.share)


def _groups(parameter: Parameter, places: FloatArray, active: BoolArray) -> IntArray:
    """Configurations that are alike in one hyperparameter; those that lack it are a group of their own."""
    if isinstance(parameter.domain, Categorical):
        _, groups = np.unique(places, return_inverse=True)
    else:
        groups = np.minimum((places * _BINS).astype(np.int64), _BINS - 1)
    return np.where(active, groups + 1, 0)


def _share(scores: FloatArray, groups: IntArray) -> float:
    """The variance between groups, less what groups of noise would have (epsilon squared, Kelley 1935)."""
    counts = np.bincount(groups)
    means = np.bincount(groups, weights=scores) / np.maximum(counts, 1)
    between = float((counts * np.square(means - scores.mean())).sum())
    used, total = int((counts > 0).sum()), float(np.square(scores - scores.mean()).sum())
    within = (total - between) / max(len(scores) - used, 1)
    return min(max((between - (used - 1) * within) / total, 0.0), 1.0)
