"""Asynchronous successive halving: the rule without a model, for when the model is not to be trusted.

Li et al., "A System for Massively Parallel Hyperparameter Tuning", MLSys 2020, in the stopping variant of Ray Tune.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from metahp.features import passed
from metahp.types import Action, Decision, Sweep, Trial

FACTOR = 3


def decide(sweep: Sweep, trials: Sequence[Trial], trial: Trial) -> Decision:
    """Stop a trial at the steps 1, 3, 9, ... unless it is in the best third of those that have come as far.

    Args:
        sweep: the sweep.
        trials: all its trials, among them ``trial``.
        trial: the one that reported last.
    """
    rung = passed(trial, lambda step: step * FACTOR)
    if rung is None:
        return Decision(Action.CONTINUE, "between two rungs")
    own = _score(trial, rung, sweep)
    scores = sorted((_score(t, rung, sweep) for t in trials if t.curve.last_step >= rung), reverse=True)
    place = max(len(scores) // FACTOR, 1)
    if len(scores) < FACTOR or own >= scores[place - 1]:
        return Decision(Action.CONTINUE, f"in the best third of {len(scores)} trials at step {rung}")
    return Decision(Action.STOP, f"not in the best third of {len(scores)} trials at step {rung} (ASHA)")


def _score(trial: Trial, rung: int, sweep: Sweep) -> float:
    """How good the trial was at the rung, the larger the better; a score that is none is the worst."""
    seen = [m.value for m in trial.curve.measurements if m.step <= rung] or [trial.curve.measurements[0].value]
    return sweep.mode.sign * seen[-1] if math.isfinite(seen[-1]) else -math.inf
