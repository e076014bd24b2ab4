"""Which hyperparameters mattered in a sweep: shares of the variance of predicted final scores (functional ANOVA).

Hutter, Hoos & Leyton-Brown 2014, "An efficient approach for assessing hyperparameter importance", with the predictor of
this sweep in the place of their random forest: pruned trials count, as far as they went.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

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
_MOST_PAIRED = 12  # hyperparameters, the most important ones, whose pairs are looked at
_LEAST_TOGETHER = 0.01  # of the variance; a pair that does nothing comes to 0.5 % by chance


@dataclass(frozen=True, slots=True)
class Importance:
    """What a hyperparameter explains.

    Attributes:
        name: its path.
        share: of the variance over the whole space that it explains alone, in ``[0, 1]``.
    """

    name: str
    share: float


@dataclass(frozen=True, slots=True)
class Interaction:
    """What two hyperparameters explain together.

    Attributes:
        names: their paths.
        share: of the variance over the whole space that they explain together and neither does alone, in ``[0, 1]``.
    """

    names: tuple[str, str]
    share: float


@dataclass(frozen=True, slots=True)
class Effects:
    """What mattered in a sweep; empty where fewer than five trials have reported, or all are predicted to end alike.

    Attributes:
        alone: every hyperparameter, the most important first.
        together: pairs with at least a hundredth of the variance, the most important first.
    """

    alone: tuple[Importance, ...] = ()
    together: tuple[Interaction, ...] = ()

    @property
    def unexplained(self) -> float:
        """The rest: three and more hyperparameters together, in ``[0, 1]``."""
        shares = [each.share for each in self.alone] + [each.share for each in self.together]
        return max(1.0 - sum(shares), 0.0)


def importances(history: SweepHistory, predictor: Predictor | None = None) -> list[Importance]:
    """What each hyperparameter of a sweep explains alone; see `effects`."""
    return list(effects(history, predictor).alone)


def effects(history: SweepHistory, predictor: Predictor | None = None) -> Effects:
    """What the hyperparameters of a sweep explain, alone and in pairs.

    Args:
        history: the sweep.
        predictor: what predicts; by default one that knows this sweep alone.
    """
    sweep = history.sweep
    told = [trial for trial in history.trials if trial.curve.best(sweep.mode) is not None]
    if len(told) < _FEWEST_TRIALS:
        return Effects()
    units = np.random.default_rng(0).random((_CONFIGS, sweep.space.dimension))
    configs = [sweep.space.decode(unit) for unit in units]
    posterior = (predictor or PriorPredictor()).condition(sweep, history.trials)
    queries = [Trial(f"query {number}", config) for number, config in enumerate(configs)]
    prediction = posterior.predict(queries, [full_step(sweep, told)] * _CONFIGS)
    if float(np.std(prediction.mean)) <= _LEAST_SIGNAL * float(np.mean(prediction.std)):
        return Effects()
    places, active = sweep.space.encode(configs)
    return _split(sweep.space.parameters, prediction.mean, places, active)


def _split(parameters: Sequence[Parameter], scores: FloatArray, places: FloatArray, active: BoolArray) -> Effects:
    groups = [_groups(p, places[:, column], active[:, column]) for column, p in enumerate(parameters)]
    shares = [_share(scores, own) for own in groups]
    order = np.argsort(-np.array(shares), kind="stable")
    pairs = []
    for a, b in combinations(order[:_MOST_PAIRED], 2):
        share = _share(scores, groups[a] * (groups[b].max() + 1) + groups[b]) - shares[a] - shares[b]
        if share >= _LEAST_TOGETHER:
            pairs.append(Interaction((parameters[a].key, parameters[b].key), share))
    alone = tuple(Importance(parameters[column].key, shares[column]) for column in order)
    return Effects(alone, tuple(sorted(pairs, key=lambda each: -each.share)))


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
