"""An Optuna sampler that asks MetaHP: Optuna's study keeps the trials, our policy says what to try next.

>>> study = optuna.create_study(direction="maximize", sampler=MetaSampler(load_or_fit(Store("~/sweeps"))))

The predictor knows hyperparameters by their names, so those of the study should be the names of the store's sweeps.
Optuna's spaces are found while trials run: without ``search_space`` the first trial is drawn at random, and so is
whatever not every trial has had (Optuna's intersection search space). The study's trials are not put into a store;
``metahp import optuna`` does that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from metahp.domains import Categorical, Domain, Float, Int
from metahp.errors import SearchSpaceError
from metahp.policy import Policy
from metahp.predictor import Predictor
from metahp.space import SearchSpace
from metahp.types import LearningCurve, Measurement, Mode, Sweep, TaskValue, Trial, TrialStatus

_STATUS = {
    TrialState.COMPLETE: TrialStatus.COMPLETED,
    TrialState.PRUNED: TrialStatus.STOPPED,
    TrialState.FAIL: TrialStatus.ERRORED,
    TrialState.RUNNING: TrialStatus.RUNNING,
}


class MetaSampler(BaseSampler):
    """Samples where MetaHP's predictor expects the most.

    Args:
        predictor: e.g. ``metahp.models.load_or_fit(store)``.
        search_space: distributions by name, so that already the first trial is not a random one.
        metric: what the objective is called in the store.
        max_step: reports of a full training, if known.
        task: what is known about the data; similar tasks teach more.
        seed: of what is left to chance.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        search_space: Mapping[str, BaseDistribution] | None = None,
        metric: str = "value",
        max_step: int | None = None,
        task: Mapping[str, TaskValue] | None = None,
        seed: int | None = None,
    ) -> None:
        self._policy = Policy(predictor)
        self._given = dict(search_space or {})
        self._seen = IntersectionSearchSpace()
        self._metric, self._max_step, self._task = metric, max_step, dict(task or {})
        self._rng = np.random.default_rng(seed)
        self._random = RandomSampler(seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """The space that was given, or what all trials so far had in common."""
        return self._given or self._seen.calculate(study)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The values of the next trial."""
        if not search_space:
            return {}
        if len(study.directions) > 1:
            raise SearchSpaceError(f"MetaSampler has one objective, got {len(study.directions)}; use another sampler")
        space = SearchSpace({name: _domain(one) for name, one in search_space.items()})
        mode = Mode.MAX if study.direction is StudyDirection.MAXIMIZE else Mode.MIN
        sweep = Sweep(f"optuna study {study.study_name}", space, self._metric, mode, self._max_step, self._task)
        trials = [_trial(own) for own in study.get_trials(deepcopy=False) if own.state in _STATUS]
        known = [own for own in trials if space.contains(own.config)]
        return dict(self._policy.suggest(sweep, known, self._rng).config)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """A random value, for what `infer_relative_search_space` does not hold."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)


def _domain(given: BaseDistribution) -> Domain:
    if isinstance(given, CategoricalDistribution):
        return Categorical(tuple(given.choices))
    if isinstance(given, IntDistribution):
        return Int(given.low, given.high, given.log, given.step)
    if isinstance(given, FloatDistribution):
        return Float(given.low, given.high, given.log, given.step)
    raise SearchSpaceError(f"MetaSampler knows no {type(given).__name__}; use suggest_float, _int or _categorical")


def _trial(own: FrozenTrial) -> Trial:
    """Optuna's trial as ours: intermediate values with steps from 1, else the final value as the only report."""
    steps = sorted(own.intermediate_values)
    shift = 1 - min(steps[0], 1) if steps else 0
    curve = [Measurement(step + shift, own.intermediate_values[step]) for step in steps]
    if not curve and own.values:
        curve = [Measurement(1, own.values[0])]
    return Trial(str(own.number), dict(own.params), LearningCurve(tuple(curve)), _STATUS[own.state])
