"""What a sweep will cost and come to, before it starts or while it runs: simulated on draws of the predictor's belief.

Each draw is a possible world, with a curve for every running trial and for what the searcher may propose. In each,
trials are stopped by successive halving, and what the sweep has found is read off after every trial. Configurations
are chosen by what is known now. The real searcher learns as it goes, so this is a careful estimate; how careful,
`metahp.track_record` finds out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from metahp.candidates import leading, portfolio, proposals
from metahp.features import BoolArray, believable, encode, full_step, natural_bounds
from metahp.halving import FACTOR
from metahp.policy import best_score
from metahp.predictor import Experience, Experienced, Posterior, Predictor
from metahp.types import Config, FloatArray, IntArray, Sweep, Trial

WORLDS = 200
MOST_TRIALS = 100
LOW, HIGH = 0.1, 0.9
_PORTFOLIO = 12
_DRAWN_FOR_ONE = 3  # candidates that are looked at for each one that is proposed


@dataclass(frozen=True, eq=False)
class Outlook:
    """What may come of a number of trials, in w worlds.

    Attributes:
        sweep: the sweep.
        epochs: shape ``(w, n)``: spent from now on, after each of n trials.
        best: shape ``(w, n)``: the sweep's best score by then.
        now: the best score so far, NaN where there is none.
        knows_metric: whether past sweeps measured the metric, or this one has; else scores mean nothing.
    """

    sweep: Sweep
    epochs: FloatArray
    best: FloatArray
    now: float
    knows_metric: bool

    def final(self, q: float) -> float:
        """The q-quantile of the best score after all trials, from bad (0) to good (1)."""
        return float(np.quantile(self.best[:, -1], q if self.sweep.mode.sign > 0 else 1.0 - q))

    def spent(self, q: float) -> float:
        """The q-quantile of the epochs that all trials take."""
        return float(np.quantile(self.epochs[:, -1], q))

    def gains(self) -> tuple[FloatArray, FloatArray]:
        """Mean epochs spent and mean improvement on the best so far after each trial, shape ``(n,)`` each."""
        return self.epochs.mean(0), np.maximum(self.sweep.mode.sign * (self.best - self.now), 0.0).mean(0)

    def epochs_to(self, target: float) -> FloatArray:
        """Epochs until a score is reached, shape ``(w,)``; infinite in worlds where these trials do not reach it."""
        reached: BoolArray = self.sweep.mode.sign * (self.best - target) >= 0.0
        first = np.argmax(reached, axis=1)
        return np.where(reached.any(1), self.epochs[np.arange(len(first)), first], np.inf)


def seconds_per_epoch(trials: Iterable[Trial]) -> float:
    """The median over trials that told how long they took, NaN where none did."""
    told = [float(trial.curve.elapsed_s[-1]) / trial.curve.last_step for trial in trials if len(trial.curve)]
    finite = [seconds for seconds in told if math.isfinite(seconds) and seconds > 0.0]
    return float(np.median(finite)) if finite else math.nan


def outlook(
    predictor: Predictor, sweep: Sweep, trials: Sequence[Trial], count: int, *, seed: int = 0, worlds: int = WORLDS
) -> Outlook:
    """What ``count`` more trials will cost and find.

    Args:
        predictor: what is believed.
        sweep: the sweep; its ``max_step`` is a full training.
        trials: all its trials so far; those that are running are counted in.
        count: new trials, at least 1; beyond `MOST_TRIALS` they are not simulated.
        seed: of candidates and draws.
        worlds: how many are drawn.
    """
    rng = np.random.default_rng(seed)
    trials = believable(sweep, trials)
    past = predictor.experience(sweep) if isinstance(predictor, Experienced) else None
    new = _proposed(sweep, trials, past, min(count, MOST_TRIALS), rng)
    posterior, rungs = predictor.condition(sweep, trials), _rungs(full_step(sweep, trials))
    running = [trial for trial in trials if not trial.status.is_over]
    queued = [*running, *(Trial(f"planned {n}", config) for n, config in enumerate(new))]
    own = natural_bounds(np.concatenate([*(trial.curve.values for trial in trials), np.zeros(0)]))
    low, high = own if any(len(trial.curve) for trial in trials) or past is None else past.bounds
    scores = sweep.mode.sign * np.clip(_curves(posterior, queued, rungs, worlds, rng), low, high)
    now = best_score(trials, sweep)
    epochs, best = _halved(scores, rungs, np.array([trial.curve.last_step for trial in queued]))
    best = np.fmax(best, sweep.mode.sign * now)
    known = any(len(trial.curve) for trial in trials) or (past is not None and past.knows_metric)
    return Outlook(sweep, epochs, sweep.mode.sign * best, now, known)


def _proposed(
    sweep: Sweep, trials: Sequence[Trial], past: Experience | None, count: int, rng: np.random.Generator
) -> list[Config]:
    """What the searcher may propose: at first a portfolio of the past; later, of some at random, the more promising."""
    tried = encode(sweep.space, [trial.config for trial in trials])
    offered = proposals(tried, tried[leading(trials, sweep.mode)], past, rng)
    chosen = portfolio(offered, tried, past, min(count, _PORTFOLIO - len(tried))) if past else []
    rest = rng.permutation(np.setdiff1d(np.arange(len(offered)), chosen))[: _DRAWN_FOR_ONE * (count - len(chosen))]
    if past is not None:
        rest = rest[np.argsort(-(past.weights @ past.judge(offered[rest], 0.5)))]
    return [*offered[[*chosen, *rest[: count - len(chosen)].tolist()]].configs()]


def _rungs(full: int) -> list[int]:
    rungs = [full]
    while rungs[0] > FACTOR:
        rungs.insert(0, rungs[0] // FACTOR)
    return rungs


def _curves(
    posterior: Posterior, trials: Sequence[Trial], rungs: Sequence[int], worlds: int, rng: np.random.Generator
) -> FloatArray:
    """Scores ``(w, n, rungs)``; where a trial has come already, what it has shown there."""
    asked = [(trial, rung) for trial in trials for rung in rungs]
    drawn = posterior.draw([trial for trial, _ in asked], [rung for _, rung in asked], worlds, rng)
    seen = np.array([_seen(trial, rung) for trial, rung in asked])
    return np.where(np.isnan(seen), drawn, seen).reshape(worlds, len(trials), len(rungs))


def _seen(trial: Trial, rung: int) -> float:
    """The score at a rung that was passed, NaN where it was not, or was none."""
    passed = trial.curve.until(rung).measurements if rung <= trial.curve.last_step else ()
    return passed[-1].value if passed else math.nan


def _halved(scores: FloatArray, rungs: Sequence[int], begun: IntArray) -> tuple[FloatArray, FloatArray]:
    """Epochs spent and best score after each trial, ``(w, n)`` each, where the best third goes on at each rung."""
    worlds, count, _ = scores.shape
    spent, best = np.zeros((worlds, count)), np.full((worlds, count), -np.inf)
    for trial in range(count):
        alive = np.ones(worlds, bool)
        for place, rung in enumerate(rungs):
            here = scores[:, trial, place]
            spent[alive, trial] = max(rung - begun[trial], 0)
            best[alive, trial] = np.maximum(best[alive, trial], here[alive])
            if trial >= FACTOR:
                alive &= here >= np.quantile(scores[:, : trial + 1, place], 1.0 - 1.0 / FACTOR, axis=1)
    return np.cumsum(spent, axis=1), np.maximum.accumulate(best, axis=1)
