"""What a step of training costs: seconds, as a sweep's own trials have taken them, for any configuration.

Seconds multiply: twice the width or half the batch is twice the time, whatever else is set. So their logarithm is a
ridge regression on places in the space (Snoek et al. 2012, "Practical Bayesian optimization", model the logarithm too),
which a handful of trials determines, and which says "as usual" of what none of them has varied.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from metahp.domains import Categorical
from metahp.features import Points, encode
from metahp.space import SearchSpace
from metahp.types import Config, FloatArray, Trial

FEWEST = 4
_NOISE = 0.3  # of the logarithm: machines are shared
_BOUND = 3.0  # a twentieth or twenty times the usual: beyond it is extrapolated


def relative_seconds(space: SearchSpace, trials: Sequence[Trial], configs: Sequence[Config]) -> FloatArray:
    """Seconds per step of each configuration, in units of what is usual in the sweep.

    Args:
        space: of the sweep.
        trials: what it has shown; who reported less than twice, or took no time, does not count.
        configs: n legal ones.

    Returns:
        shape ``(n,)``; ones where fewer than four trials told.
    """
    told = [(trial.config, math.log(seconds)) for trial in trials if (seconds := _seconds_per_step(trial)) > 0]
    if len(told) < FEWEST:
        return np.ones(len(configs))
    seen = _factors(encode(space, [config for config, _ in told]))
    logs = np.array([log for _, log in told])
    precision = seen.T @ seen + _NOISE**2 * np.eye(seen.shape[1])
    weights = np.linalg.solve(precision, seen.T @ (logs - logs.mean()))
    found = _factors(encode(space, configs)) @ weights
    return np.exp(np.clip(found, -_BOUND, _BOUND))


def _seconds_per_step(trial: Trial) -> float:
    """After its first report, in whose time a model was built and compiled; NaN where it did not tell."""
    if len(trial.curve) < 2:
        return math.nan
    first, last = trial.curve.measurements[0], trial.curve.measurements[-1]
    return (last.elapsed_s - first.elapsed_s) / (last.step - first.step)


def _factors(points: Points) -> FloatArray:
    """Shape ``(n, p)``: a number from -1 to 1 for each column, one or nothing for each choice; 0 where it is absent."""
    columns = []
    for column, parameter in enumerate(points.space.parameters):
        units, active = points.units[:, column], points.active[:, column]
        if isinstance(parameter.domain, Categorical):
            count = len(parameter.domain.choices)
            columns += [active * (np.floor(units * count) == place) for place in range(count)]
        else:
            columns.append(active * (2.0 * units - 1.0))
    return np.stack(columns, axis=1).astype(np.float64) if columns else np.zeros((len(points), 0))
