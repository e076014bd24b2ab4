"""Freeze and thaw: a running trial makes room for one that promises more, and goes on where it was when its turn comes.

Swersky et al., "Freeze-Thaw Bayesian Optimization", 2014, https://arxiv.org/abs/1406.3896, choose between new and old
trials by what they tell about the optimum; here what counts is the chance to beat the best trial, for each further step
that a trial would take to its end. The start of a new or a paused one counts as the steps that fit in its time. A
forecast that new trials may be chosen by is at hand for old ones anyway.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from metahp.features import full_step
from metahp.policy import Policy
from metahp.starts import steps_per_start
from metahp.types import Action, Decision, Forecast, Prediction, Sweep, Trial, TrialStatus

MARGIN = 2.0  # so much more must another one promise: changing trials is not free, and chances are not exact
LIKELY = 0.5  # whoever has this chance goes on in any case


def decide(
    policy: Policy, sweep: Sweep, trials: Sequence[Trial], trial: Trial, decision: Decision, newest: Forecast | None
) -> Decision:
    """The decision about a running trial, or in place of one to go on the one to pause.

    Args:
        policy: says what the paused trials may still come to.
        sweep: the sweep.
        trials: all its trials, among them ``trial``.
        trial: the one that reported last; it has a checkpoint of that.
        decision: whether it is worth going on with.
        newest: of the configuration that was proposed last, as the next one will be much like it; None where there
            will be no next one, or it was not predicted.
    """
    if decision.action is not Action.CONTINUE or not decision.is_predicted or decision.probability >= LIKELY:
        return decision
    own = _promise(decision.probability, full_step(sweep, trials) - trial.curve.last_step)
    rival = max((_of_new(policy, newest, sweep, trials), *(promise for promise, _ in _paused(policy, sweep, trials))))
    if rival < MARGIN * own:
        return decision
    reason = f"{decision.reason}, another trial promises {rival / max(own, 1e-9):.1f} times as much for each step"
    return replace(decision, action=Action.PAUSE, reason=reason)


def next_up(policy: Policy, sweep: Sweep, trials: Sequence[Trial], newest: Forecast | None) -> Trial | None:
    """The paused trial to go on with now that there is room, None where a new one promises more or none is paused.

    Args:
        policy: says what the paused trials may still come to.
        sweep: the sweep.
        trials: all its trials.
        newest: see `decide`.
    """
    promise, best = max(_paused(policy, sweep, trials), key=lambda pair: pair[0], default=(0.0, None))
    return best if promise >= _of_new(policy, newest, sweep, trials) else None


def _paused(policy: Policy, sweep: Sweep, trials: Sequence[Trial]) -> list[tuple[float, Trial]]:
    """The paused trials, and what they promise."""
    paused = [trial for trial in trials if trial.status is TrialStatus.PAUSED]
    if not paused:
        return []
    chances, anew = policy.chances(sweep, trials, paused), _steps_anew(sweep, trials)
    return [(_promise(chance, anew - own.curve.last_step), own) for chance, own in zip(chances, paused, strict=True)]


def _of_new(policy: Policy, newest: Forecast | None, sweep: Sweep, trials: Sequence[Trial]) -> float:
    """What a new trial promises, by the forecast of the last one."""
    score = math.nan if newest is None else policy.hurdle(sweep, trials, newest.step)
    if newest is None or not math.isfinite(score):
        return 0.0
    prediction = Prediction(np.array([newest.mean]), np.array([newest.std]))
    chance = float(prediction.probability_better(score, sweep.mode)[0])
    return _promise(chance, _steps_anew(sweep, trials))


def _steps_anew(sweep: Sweep, trials: Sequence[Trial]) -> float:
    """Of a full training, its start counted."""
    return full_step(sweep, trials) + steps_per_start(trials)


def _promise(chance: float, further: float) -> float:
    """The chance to beat the best trial that each further step buys."""
    return chance / max(further, 1.0)
