"""The best of a sweep at its end, by its scores so far: no search is simulated, only the tail is continued."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from metahp.features import full_step, natural_bounds
from metahp.predictor import Predictor
from metahp.types import FloatArray, SweepHistory, Trial

FEWEST = 8  # after five, the best of the moment was nearer to the end than the middle of the band (.22 against .28)
_DRAWS = 500
_SHARE = 4  # one in so many trials is the tail


def best_to_come(
    history: SweepHistory, more: int, quantiles: FloatArray, predictor: Predictor | None = None
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
        predictor: says what running trials come to; None to leave that out.

    Returns:
        shape ``(q,)``, in the metric's unit; None with fewer than `FEWEST` trials that reported something finite.
    """
    mode = history.sweep.mode
    found = (trial.curve.best(mode) for trial in history.trials)
    scores = np.sort([mode.sign * best for best in found if best is not None])[::-1]
    if len(scores) < FEWEST:
        return None
    further = scores[0] + np.maximum(_lead(scores) * _log_odds(more / len(scores)), 0.0)
    running = [trial for trial in history.trials if not trial.status.is_over and len(trial.curve)]
    if predictor and running:
        further = np.maximum(further, _best_of(running, history, predictor))
    low, high = natural_bounds(np.concatenate([trial.curve.values for trial in history.trials]))
    return mode.sign * np.quantile(mode.sign * np.clip(mode.sign * further, low, high), quantiles)


def _best_of(running: Sequence[Trial], history: SweepHistory, predictor: Predictor) -> FloatArray:
    """Draws of the best that they come to, the larger the better, shape ``(_DRAWS,)``."""
    sweep, trials = history.sweep, history.trials
    steps = [full_step(sweep, trials)] * len(running)
    drawn = predictor.condition(sweep, trials).draw(running, steps, _DRAWS, np.random.default_rng(0))
    return (sweep.mode.sign * drawn).max(axis=1)


def _lead(scores: FloatArray) -> float:
    """By how much the best quarter is better than the next score."""
    tail = max(math.ceil(len(scores) / _SHARE), 2)
    return float((scores[:tail] - scores[tail]).mean())


def _log_odds(ratio: float) -> FloatArray:
    """Draws, shape ``(_DRAWS,)``, of which ``ratio / (1 + ratio)`` are positive, with an exponential tail."""
    chance = np.random.default_rng(0).random(_DRAWS)
    return np.log(np.maximum(ratio, 1e-12) * chance / (1.0 - chance))
