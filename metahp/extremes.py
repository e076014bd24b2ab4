"""The best of a sweep at its end, by its scores so far: no search is simulated, only the tail is continued."""

from __future__ import annotations

import math

import numpy as np

from metahp.features import natural_bounds
from metahp.types import FloatArray, SweepHistory

FEWEST = 4
DRAWS = 500
_SHARE = 4  # one in so many trials is the tail


def best_to_come(
    history: SweepHistory, more: int, quantiles: FloatArray, under_way: FloatArray | None = None
) -> FloatArray | None:
    """Quantiles of a sweep's best score after ``more`` further trials like those it had.

    Of n trials and m further ones that are like them, the best is a further one in m of n + m cases. By how much it is
    better has an exponential tail, as most distributions nearly have (Pickands 1975, "Statistical inference using
    extreme order statistics"), of the scale by which the best quarter is ahead of the next one. Scores do not leave the
    bounds that are natural to a metric. ``python -m benchmarks forecasts`` says how often the band holds what comes.

    Args:
        history: the sweep.
        more: trials to come, at least 0.
        quantiles: shape ``(q,)``, from bad (0) to good (1).
        under_way: draws of the best that begun trials come to, shape ``(DRAWS,)``; None if there are none.

    Returns:
        shape ``(q,)``, in the metric's unit; None with fewer than `FEWEST` trials that reported something finite.
    """
    mode = history.sweep.mode
    found = (trial.curve.best(mode) for trial in history.trials)
    scores = np.sort([mode.sign * best for best in found if best is not None])[::-1]
    if len(scores) < FEWEST:
        return None
    further = scores[0] + np.maximum(_lead(scores) * _log_odds(more / len(scores)), 0.0)
    if under_way is not None:
        further = np.maximum(further, mode.sign * under_way)
    low, high = natural_bounds(np.concatenate([trial.curve.values for trial in history.trials]))
    return mode.sign * np.quantile(mode.sign * np.clip(mode.sign * further, low, high), quantiles)


def _lead(scores: FloatArray) -> float:
    """By how much the best quarter is better than the next score."""
    tail = max(math.ceil(len(scores) / _SHARE), 2)
    return float((scores[:tail] - scores[tail]).mean())


def _log_odds(ratio: float) -> FloatArray:
    """Draws, shape ``(DRAWS,)``, of which ``ratio / (1 + ratio)`` are positive, with an exponential tail."""
    chance = np.random.default_rng(0).random(DRAWS)
    return np.log(np.maximum(ratio, 1e-12) * chance / (1.0 - chance))
