"""The best of trials to come, by the best of those that were: no predictor is asked, only the tail is continued."""

from __future__ import annotations

import math

import numpy as np

from metahp.features import natural_bounds
from metahp.types import FloatArray, SweepHistory

FEWEST = 4
_SHARE = 3  # one in so many trials is the tail
_DRAWS = 500


def best_to_come(history: SweepHistory, more: int, quantiles: FloatArray) -> FloatArray | None:
    """Quantiles of a sweep's best score after ``more`` further trials like those it had.

    The trials' best scores beyond the best third are taken for exponential, as the tails of most distributions nearly
    are (Pickands 1975, "Statistical inference using extreme order statistics"), with a scale that so few scores leave
    in doubt; the best of ``more`` of them is then Gumbel. Scores do not leave the bounds that are natural to a metric.

    Args:
        history: the sweep.
        more: trials to come, at least 0.
        quantiles: shape ``(q,)``, from bad (0) to good (1).

    Returns:
        shape ``(q,)``, in the metric's unit; None with fewer than `FEWEST` trials that reported something finite.
    """
    mode = history.sweep.mode
    found = (trial.curve.best(mode) for trial in history.trials)
    scores = np.sort([mode.sign * best for best in found if best is not None])[::-1]
    if len(scores) < FEWEST:
        return None
    best, rng = scores[0], np.random.default_rng(0)
    tail = max(math.ceil(len(scores) / _SHARE), 2)
    scale = (scores[:tail] - scores[tail]).mean() * tail / rng.gamma(tail, size=_DRAWS)
    further = scores[tail] + scale * (math.log(max(tail * more / len(scores), 1e-9)) + rng.gumbel(size=_DRAWS))
    low, high = natural_bounds(np.concatenate([trial.curve.values for trial in history.trials]))
    drawn = np.clip(mode.sign * np.maximum(further, best), low, high)
    return mode.sign * np.quantile(mode.sign * drawn, quantiles)
