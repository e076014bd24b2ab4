"""Asynchronous successive halving (Li et al. 2020, "A system for massively parallel hyperparameter tuning", ASHA).

The rule without a model, for sweeps about which nothing is known: at steps 1, 3, 9, ... a trial goes on only if it is
in the best third of those that came as far. As in Ray Tune, a trial is judged once per rung, by the value it had there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from metahp.types import Mode, Trial

REDUCTION = 3
_RUNGS = 4  # before a full training; 1, 3, 9, 27 of 81 steps


def rungs(full: int) -> list[int]:
    """The steps at which trials are judged, below ``full``."""
    first = max(full // REDUCTION**_RUNGS, 1)
    return [first * REDUCTION**k for k in range(_RUNGS) if first * REDUCTION**k < full]


def falls_behind(trials: Sequence[Trial], trial: Trial, mode: Mode, full: int) -> bool:
    """Whether the trial has just reached a rung and is not in the best third of the trials seen there."""
    reached = [rung for rung in rungs(full) if _arrival(trial, rung) == trial.curve.last_step]
    if not reached:
        return False
    own, rung = _score(trial, reached[-1], mode), reached[-1]
    others = [_score(t, rung, mode) for t in trials if t.trial_id != trial.trial_id and t.curve.last_step >= rung]
    finite = [score for score in others if math.isfinite(score)]
    if not finite:
        return False
    worst = min(finite) - 1.0  # diverged trials count, as the worst
    scores = [score if math.isfinite(score) else worst for score in others]
    return own < float(np.quantile(scores, 1.0 - 1.0 / REDUCTION))


def _arrival(trial: Trial, rung: int) -> int | None:
    """The first reported step at or beyond the rung."""
    return next((m.step for m in trial.curve.measurements if m.step >= rung), None)


def _score(trial: Trial, rung: int, mode: Mode) -> float:
    value = next(m.value for m in trial.curve.measurements if m.step >= rung)
    return mode.sign * value if math.isfinite(value) else -math.inf
