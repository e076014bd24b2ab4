"""Sweeps whose curves jump: there the best score is luck in part, and what looks bad now may not be.

Where losses jump from report to report, the best of some hundred is a dip that nothing will beat on average: asked to
beat it, all trials look lost, and of the candidates only those seem worth a try of which nothing is known. What either
rule gains is in docs/model_card.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metahp.candidates import leading
from metahp.features import scale_of
from metahp.types import FloatArray, Sweep, Trial, incumbent

JUMPY = 0.05  # no recorded curves of LCBench or TaskSet jump so far, those of small image and text models .06 to .14
_SMOOTH = 0.04  # what the surrogate takes a report's noise to be
_DOUBT = 5  # reports: so much is a sweep taken to be smooth before it shows otherwise
_BACK_AND_FORTH = 1.218  # E[max(-xy, 0)] of successive differences x and y of white noise with variance 1
_LATE = 0.5


def noise(sweep: Sweep, trials: Sequence[Trial]) -> float:
    """Standard deviation of one report, in units of the sweep's range, by how far curves turn back at once.

    A smooth curve turns seldom and little, however fast it rises. At least what usual curves have.
    """
    told, scale = [trial for trial in trials if len(trial.curve) > 2], scale_of(sweep.mode, trials)
    if scale is None or not told:
        return _SMOOTH
    sizes = [len(trial.curve) for trial in told]
    of_trial = np.repeat(np.arange(len(told)), sizes)
    values = np.concatenate([trial.curve.values for trial in told])
    change = np.diff(np.where(np.isfinite(values), scale.levels(values), np.nan))
    turns = -change[1:] * change[:-1]
    turns = np.maximum(turns[(of_trial[2:] == of_trial[:-2]) & np.isfinite(turns)], 0.0)
    variance = (_DOUBT * _SMOOTH**2 + turns.sum() / _BACK_AND_FORTH) / (_DOUBT + len(turns))
    return float(np.sqrt(max(variance, _SMOOTH**2)))


def dips(sweep: Sweep, trials: Sequence[Trial]) -> tuple[list[Trial], list[int]]:
    """The few best trials with the steps of their best scores, which may be luck; none where curves do not jump."""
    if noise(sweep, trials) <= JUMPY:
        return [], []
    lucky = [trials[place] for place in leading(trials, sweep.mode)]
    return lucky, [int(trial.curve.steps[trial.curve.values == trial.curve.best(sweep.mode)][0]) for trial in lucky]


def without_luck(score: float, believed: FloatArray, sweep: Sweep) -> float:
    """The best score, or what the `dips` are believed to have been, where that is worse.

    Args:
        score: the best score.
        believed: shape ``(n,)``, what is predicted of the n dips; with none of them it is ``score``.
        sweep: whose metric both are.
    """
    if not len(believed):
        return score
    sign = sweep.mode.sign
    return sign * min(float((sign * believed).max()), sign * score)


def may_bloom(sweep: Sweep, trials: Sequence[Trial], trial: Trial) -> bool:
    """Whether a trial is as good as the best one was at its age, which then had most of its rise before it.

    Always False where curves do not jump: there predictions know better (LCBench: worse by .016 ± .007 otherwise).
    """
    age, mode = trial.curve.last_step, sweep.mode
    older = [other for other in trials if other.trial_id != trial.trial_id and other.curve.last_step > age]
    leader, own, scale = incumbent(older, mode), trial.curve.best(mode), scale_of(mode, trials)
    if leader is None or own is None or scale is None:
        return False
    scores = [own, leader.curve.until(age).best(mode), leader.curve.best(mode)]
    mine, then, top = scale.levels(np.array(scores, np.float64))  # nothing reported by then is the worst there is
    is_level = then <= mine <= top and then <= _LATE * top and top > 0.0
    return bool(is_level) and noise(sweep, trials) > JUMPY
