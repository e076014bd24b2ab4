"""What to do next: the configuration of a new trial, and whether a running one is worth going on with.

A predictor says how trials end, the policy turns that into actions. Both questions are answered from what was
observed alone; what is remembered in between is the last posterior, since it is costly and asked for often, and what
the newest proposal promised.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate

import numpy as np

from metahp.candidates import (
    best_of,
    expected_improvement,
    leading,
    neighbours,
    places,
    portfolio,
    proposals,
    random_points,
    untried,
)
from metahp.features import Points, believable, encode, full_step, passed
from metahp.luck import dips, may_bloom, without_luck
from metahp.predictor import Experience, Experienced, Posterior, Predictor
from metahp.prior_predictor import PRIOR, PriorPredictor
from metahp.starts import steps_per_start
from metahp.types import (
    Action,
    Carrier,
    Decision,
    FloatArray,
    Forecast,
    IntArray,
    LearningCurve,
    Measurement,
    Prediction,
    Proposal,
    Sweep,
    Trial,
    TrialStatus,
    incumbent,
)

MAX_FALSE_PRUNES = 0.05
_LEAST_STARTS = 4
_DRAWS = 8  # to find one that was not tried before, in a small space
_STALE_SHARE = 0.25  # checkpoints per trial that a posterior may lack
_RENEWED_SHARE = 0.05  # the same at a suggestion, which may take longer: decisions then hardly ever wait for a new one
BELOW = 4.0  # of trials with predicted chances below p, about p / 4 would have won; see docs/model_card.md
_SEVERAL = 4
_RIVALS = 8
_REFINEMENTS = (0.2, 0.1, 0.05)  # of a range: how far around the most promising is looked
_REFINED = 5
_SHIPPED_ALONE = 2  # every second trial; every third was not enough where what ships misleads, see docs/model_card.md
_SHIPPED_STARTS = 6  # trials; ten are too many, see there
_ALONE = PriorPredictor()
_ALONE_PROPOSING = PriorPredictor(trends=True)  # in stopping, trends make no sweep better, see docs/model_card.md


@dataclass(frozen=True, eq=False)
class Policy:
    """A predictor with the knobs of what to do with it.

    Attributes:
        predictor: says how trials end.
        max_false_prunes: share of the stopped trials that may turn out to have been winners.
        threshold: trials whose chance to beat the incumbent is smaller are stopped, see `metahp.certificate` for one
            that is promised; None for what ``max_false_prunes`` has usually come to, or for the chance of the newest
            proposal where that is smaller, since it is no gain to stop a trial for one that promises less. But no less
            than ``max_false_prunes``: where nothing promises much any more, trials are only a cost. All are divided by
            how much more a first look at another trial costs than the next one at this: `metahp.starts`, by steps.
        horizon: the fraction of a full training at which new configurations compete.
        starts: at most so many first trials come from the portfolio of past sweeps: one for each of them, but four at
            least. Where there are four, they are configurations that a past sweep has tried: on TaskSet that is better
            than what the predictor makes of them (.07 in place of .15 after four trainings), on LCBench as good. After
            fewer sweeps it is not (second-sweep: .02 to .05 worse).
        blind_starts: how many first trials are random where there is no history.
        exploration: least share of the trials in which the past has no say, so that no region is given up for good. It
            begins with a half, where only shipped sweeps are known, and is a third after one own sweep, a quarter after
            two: what ships misleads where familiar names hide unfamiliar responses. After six trials the sweep itself
            knows more than what ships, which then has no say in any, nor in what is stopped.
        blind_exploration: share of the trials in which the past has no say that are drawn at random.
        version: what the predictor is called in decisions.
    """

    predictor: Predictor
    max_false_prunes: float = MAX_FALSE_PRUNES
    threshold: float | None = None
    horizon: float = 0.5
    starts: int = 12
    blind_starts: int = _LEAST_STARTS
    exploration: float = 0.05
    blind_exploration: float = 0.2
    version: str | None = None
    _memory: _Memory = field(default_factory=lambda: _Memory(), init=False, repr=False)

    def suggest(self, sweep: Sweep, trials: Sequence[Trial], rng: np.random.Generator) -> Proposal:
        """The next trial: its configuration is legal, and was not tried before as long as one is left.

        Args:
            sweep: the sweep.
            trials: all its trials so far, in the order in which they were suggested.
            rng: decides what is left to chance; the same state gives the same configuration.
        """
        past = self._experience(sweep)
        if past is not None and self._has_no_say(past, len(trials)):
            past = None
        trials = [_crash_reported(trial) for trial in believable(sweep, trials)]
        tried = encode(sweep.space, [trial.config for trial in trials])
        candidates = proposals(tried, tried[leading(trials, sweep.mode)], past, rng)
        if not len(candidates):
            drawn = random_points(sweep.space, 1, rng)
            return _started(drawn, "drawn at random: everything there is was tried")
        if past is not None and len(trials) < max(min(len(past.sources), self.starts), _LEAST_STARTS):
            several = len(past.sources) >= _SEVERAL
            proven = best_of(past, places(tried)) if several else candidates[:0]
            offered = proven if len(proven) else candidates
            first = offered[portfolio(offered, tried, past, 1)]
            proposal = _started(first, f"with the trials before it, the best for {len(past.sources)} past sweeps")
            return self._signed(proposal, past)
        if past is None and self._explores(len(trials), rng):
            drawn = untried(random_points(sweep.space, _DRAWS, rng), places(tried))
            return _started((drawn if len(drawn) else candidates)[:1], "drawn at random, to explore")
        proposal = self._most_promising(self._judge(past), sweep, trials, candidates, places(tried), rng)
        if proposal.decision.forecast is None:
            return proposal
        self._memory.promise = proposal.decision.probability
        return self._signed(proposal, past)

    def _judge(self, past: Experience | None) -> Predictor:
        """Who says what candidates promise: where no past has a say, the prior, if the predictor falls back on it."""
        falls_back = isinstance(self.predictor, Experienced | PriorPredictor)
        return _ALONE_PROPOSING if past is None and falls_back else self.predictor

    def _signed(self, proposal: Proposal, past: Experience | None) -> Proposal:
        """With what has predicted and the past trials that this rests on; ``past`` is None where it had no say."""
        carried_by = past.carriers(proposal.config) if past is not None else ()
        model = self.version if past is not None else PRIOR
        return replace(proposal, decision=replace(proposal.decision, model=model, carried_by=carried_by))

    def rehearse(self, sweep: Sweep, trials: Sequence[Trial]) -> None:
        """Works out what the next suggestion and decision need: in a thread, before this policy takes over in a hook.

        Args:
            sweep: the sweep.
            trials: all its trials so far.
        """
        self.suggest(sweep, trials, np.random.default_rng(0))
        self._posterior(sweep, believable(sweep, trials), 0.0)

    def decide(self, sweep: Sweep, trials: Sequence[Trial], trial: Trial) -> Decision:
        """Whether a trial is worth going on with, now that it has reported.

        Args:
            sweep: the sweep.
            trials: all its trials, among them ``trial``.
            trial: the one that reported last.
        """
        if not is_checkpoint(trial):
            return Decision(Action.CONTINUE, "between two checkpoints")
        trials = believable(sweep, trials)
        trial = next((own for own in trials if own.trial_id == trial.trial_id), trial)
        best, full = incumbent(trials, sweep.mode), full_step(sweep, trials)
        if trial.curve.last_step >= full:
            return Decision(Action.CONTINUE, "it is at its last step")
        if best is None or best.trial_id == trial.trial_id:
            return Decision(Action.CONTINUE, "no other trial is better")
        if may_bloom(sweep, trials, trial):
            return Decision(Action.CONTINUE, "the best one was no better at its age, and rose late")
        return self._by_chance(sweep, trials, trial, full)

    def _has_no_say(self, past: Experience, count: int) -> bool:
        """Whether the next trial is chosen as if there were no past, after ``count`` trials; they lie evenly."""
        if _is_outgrown(past, count):
            return True
        share = max(1.0 / (_SHIPPED_ALONE + past.first_hand), self.exploration)
        return int((count + 1) * share) > int(count * share)

    def _explores(self, count: int, rng: np.random.Generator) -> bool:
        """Whether the next trial without a past is drawn at random."""
        return count < self.blind_starts or bool(rng.random() < self.blind_exploration)

    def chances(self, sweep: Sweep, trials: Sequence[Trial], asked: Sequence[Trial]) -> FloatArray:
        """P(a trial is the best one when it is halfway, or at its end).

        Args:
            sweep: the sweep.
            trials: all its trials.
            asked: n of them.

        Returns:
            shape ``(n,)``.
        """
        return self._prospects(sweep, believable(sweep, trials), asked)[0].max(axis=1)

    def hurdle(self, sweep: Sweep, trials: Sequence[Trial], further: int) -> float:
        """The best score that there is likely to be in so many further steps, NaN where there is none yet."""
        trials = believable(sweep, trials)
        rivals, (lucky, at) = _leaders(sweep, trials), dips(sweep, trials)
        steps = _ahead(rivals, np.array([[further]]), full_step(sweep, trials))
        mean = self._posterior(sweep, trials).predict([*rivals, *lucky], [*steps.ravel().tolist(), *at]).mean
        today, expected = _today(sweep, trials, mean[len(rivals) :]), mean[: len(rivals)].reshape(steps.shape)
        return float(_hurdles(sweep, today, rivals, [Trial("a new one", {})], expected)[0, 0])

    def _prospects(
        self, sweep: Sweep, trials: Sequence[Trial], asked: Sequence[Trial]
    ) -> tuple[FloatArray, FloatArray, Prediction]:
        """Halfway and at the end: chances and hurdles, ``(n, 2)``, and what is predicted of the trials, ``(2 n,)``."""
        full, rivals, (lucky, at) = full_step(sweep, trials), _leaders(sweep, trials), dips(sweep, trials)
        last = np.array([trial.curve.last_step for trial in asked], np.int64)[:, None]
        steps = np.concatenate([np.maximum(last + 1, full // 2), np.full_like(last, full)], axis=1)
        theirs, count = _ahead(rivals, steps - last, full), steps.size
        # All in one question, since the posterior has to learn what is new of each trial that it is asked about.
        all_trials = [*(trial for trial in asked for _ in range(2)), *rivals * count, *lucky]
        predicted = self._posterior(sweep, trials).predict(
            all_trials, [*steps.ravel().tolist(), *theirs.ravel().tolist(), *at]
        )
        prediction = Prediction(predicted.mean[:count], predicted.std[:count])
        expected, believed = np.split(predicted.mean[count:], [theirs.size])
        today = _today(sweep, trials, believed)
        hurdles = _hurdles(sweep, today, rivals, asked, expected.reshape(theirs.shape))
        chances = prediction.probability_better(hurdles.ravel(), sweep.mode)
        return chances.reshape(steps.shape), hurdles, prediction

    def _by_chance(self, sweep: Sweep, trials: Sequence[Trial], trial: Trial, full: int) -> Decision:
        """Go on if the trial may be the best one halfway or at the end."""
        chances, hurdles, prediction = self._prospects(sweep, trials, [trial])
        likelier = int(chances[0].argmax())
        chance, score = float(chances[0, likelier]), float(hurdles[0, likelier])
        threshold = self._least_chance(trials, trial)
        action = Action.STOP if chance < threshold else Action.CONTINUE
        forecast = Forecast(full, float(prediction.mean[-1]), float(prediction.std[-1]))
        reason, past = f"chance to beat {score:.4g} is {chance:.0%}", self._experience(sweep)
        if past is None or _is_outgrown(past, len(trials)):
            return Decision(action, reason, chance, threshold, forecast, model=PRIOR)
        carried_by = self._memory.carriers(past, trial)
        return Decision(action, reason, chance, threshold, forecast, model=self.version, carried_by=carried_by)

    def _least_chance(self, trials: Sequence[Trial], trial: Trial) -> float:
        """The trial is stopped with a smaller one."""
        promised = np.clip(self._memory.promise, self.max_false_prunes, BELOW * self.max_false_prunes)
        threshold = float(promised) if self.threshold is None else self.threshold
        step = trial.curve.last_step
        look = max(_next_checkpoint(step) - step, step / len(trial.curve))  # reports may be rarer than checkpoints
        return threshold / (1.0 + steps_per_start(trials) / look)

    def _most_promising(
        self,
        predictor: Predictor,
        sweep: Sweep,
        trials: Sequence[Trial],
        candidates: Points,
        tried: set[bytes],
        rng: np.random.Generator,
    ) -> Proposal:
        """Largest expected improvement, taking it that running trials will do as predicted.

        Among the candidates, then around the most promising of them, ever closer: the best of a few hundred random ones
        is far from the best there is in seven columns. What that gains is in docs/model_card.md.
        """
        tried |= places(candidates)
        step = max(round(self.horizon * full_step(sweep, trials)), 1)
        trials = self._foreseen(sweep, trials, step)
        score = best_score(trials, sweep)
        if not math.isfinite(score):
            return _started(candidates[:1], "nothing was scored yet")
        posterior = predictor.condition(sweep, trials)
        score = without_luck(score, posterior.predict(*dips(sweep, trials)).mean, sweep)
        promising = _Promises(posterior, sweep, score, step)
        promising.judge(candidates)
        for spread in _REFINEMENTS:
            promising.judge(untried(neighbours(promising.best(_REFINED), rng, spread), tried))
        reason = f"of {len(promising.points)} candidates the one to improve most on {score:.4g} by step {step}"
        reason += "" if predictor is self.predictor else ", by this sweep alone"
        return promising.proposal(reason)

    def _foreseen(self, sweep: Sweep, trials: Sequence[Trial], step: int) -> list[Trial]:
        """The trials, with running ones extended to ``step`` by what is predicted there."""
        pending = [trial for trial in trials if not trial.status.is_over and trial.curve.last_step < step]
        mean = self._posterior(sweep, trials, _RENEWED_SHARE).predict(pending, [step] * len(pending)).mean
        reached = {
            trial.trial_id: replace(trial, curve=trial.curve.extended(Measurement(step, float(value))))
            for trial, value in zip(pending, mean, strict=True)
        }
        return [reached.get(trial.trial_id, trial) for trial in trials]

    def _posterior(self, sweep: Sweep, trials: Sequence[Trial], stale: float = _STALE_SHARE) -> Posterior:
        past = self._experience(sweep)
        outgrown = past is not None and _is_outgrown(past, len(trials))
        return self._memory.posterior(_ALONE if outgrown else self.predictor, sweep, trials, stale)

    def _experience(self, sweep: Sweep) -> Experience | None:
        return self.predictor.experience(sweep) if isinstance(self.predictor, Experienced) else None


class _Promises:
    """Configurations with what they promise, ever more of them."""

    def __init__(self, posterior: Posterior, sweep: Sweep, score: float, step: int) -> None:
        self._posterior, self._sweep, self._score, self._step = posterior, sweep, score, step
        self.points = encode(sweep.space, [])
        self._forecast = Prediction(np.zeros(0), np.zeros(0))
        self._gains = np.zeros(0)

    def judge(self, points: Points) -> None:
        """These too."""
        found, known = self._posterior.promise(points, self._step), self._forecast
        self._forecast = Prediction(np.append(known.mean, found.mean), np.append(known.std, found.std))
        self._gains = np.append(self._gains, expected_improvement(found, self._score, self._sweep.mode))
        self.points = Points.joined([self.points, points])

    def best(self, count: int) -> Points:
        """Those that promise most, the best first."""
        return self.points[np.argsort(self._gains)[::-1][:count]]

    def proposal(self, reason: str) -> Proposal:
        """The one that promises most."""
        best = int(np.argmax(self._gains))
        ahead = Prediction(self._forecast.mean[best : best + 1], self._forecast.std[best : best + 1])
        forecast = Forecast(self._step, float(ahead.mean[0]), float(ahead.std[0]))
        chance = float(ahead.probability_better(self._score, self._sweep.mode)[0])
        return _started(self.points[best : best + 1], reason, forecast, float(self._gains[best]), chance)


class _Memory:
    """The last posterior: a decision within a training loop must not wait for a new one at every report.

    What it lacks is counted in checkpoints (see `is_checkpoint`): the later reports of a long training tell little that
    is new.

    Attributes:
        promise: the chance of the newest proposal to be better than what is expected of the others; 1 before the first.
    """

    def __init__(self) -> None:
        self.promise = 1.0
        self._known: dict[str, int] = {}
        self._of: tuple[Predictor, Sweep] | None = None
        self._posterior: Posterior | None = None
        self._carriers: dict[str, tuple[Carrier, ...]] = {}

    def carriers(self, past: Experience, trial: Trial) -> tuple[Carrier, ...]:
        """See `Experience.carriers`; worked out once for a trial."""
        if trial.trial_id not in self._carriers:
            self._carriers[trial.trial_id] = past.carriers(trial.config)
        return self._carriers[trial.trial_id]

    def posterior(self, predictor: Predictor, sweep: Sweep, trials: Sequence[Trial], stale: float) -> Posterior:
        """A posterior that lacks so many checkpoints per trial at most; of trials it is asked about it learns them."""
        reached = {trial.trial_id: bisect_right(_CHECKPOINTS, size) for trial in trials if (size := len(trial.curve))}
        missing = sum(reached.values()) - sum(self._known.values())
        outdated = not 0 <= missing <= stale * len(reached) or not self._known.keys() <= reached.keys()
        if self._posterior is None or self._of != (predictor, sweep) or outdated:
            self._posterior = predictor.condition(sweep, trials)
            self._of, self._known = (predictor, sweep), reached
        return self._posterior


def _is_outgrown(past: Experience, count: int) -> bool:
    """Whether a sweep of ``count`` trials knows more than its past, which is what ships alone."""
    return not past.first_hand and count >= _SHIPPED_STARTS


def _started(
    point: Points,
    reason: str,
    forecast: Forecast | None = None,
    acquisition: float | None = None,
    chance: float = math.nan,
) -> Proposal:
    [config] = point.configs()
    return Proposal(config, Decision(Action.START, reason, chance, forecast=forecast, acquisition=acquisition))


def is_checkpoint(trial: Trial) -> bool:
    """Whether the last report passed one of the steps 1, 2, 3, 4, 5, 6, 8, 10, 13, 16, 20, ... (a quarter apart)."""
    return passed(trial, _next_checkpoint) is not None


def _next_checkpoint(step: int) -> int:
    return max(step + 1, round(step * 1.26))


_CHECKPOINTS = tuple(accumulate(range(60), lambda step, _: _next_checkpoint(step), initial=1))  # up to a million


def _ahead(rivals: Sequence[Trial], further: IntArray, full: int) -> IntArray:
    """Where r rivals will be in so many ``(n, 2)`` further steps, shape ``(n, 2, r)``."""
    reached = np.array([rival.curve.last_step for rival in rivals], np.int64)
    return np.minimum(reached + further[..., None], full)


def _today(sweep: Sweep, trials: Sequence[Trial], believed: FloatArray) -> float:
    """The best score of today, without the luck in it where `dips` are believed to have been worse."""
    return without_luck(best_score(trials, sweep), believed, sweep)


def _hurdles(
    sweep: Sweep, today: float, rivals: Sequence[Trial], asked: Sequence[Trial], expected: FloatArray
) -> FloatArray:
    """What n trials have to beat, shape ``(n, 2)``: the best score of today, or a better one to come.

    Trials that run meanwhile do not wait: what each is likely to come to, ``(n, 2, rivals)``, counts. What that gains
    is in docs/model_card.md.
    """
    sign = sweep.mode.sign
    if not rivals or not math.isfinite(today):
        return np.full(expected.shape[:2], today)
    others = np.array([[rival.trial_id != trial.trial_id for rival in rivals] for trial in asked])[:, None]
    return sign * np.maximum(np.where(others, sign * expected, -np.inf).max(axis=2), sign * today)


def _leaders(sweep: Sweep, trials: Sequence[Trial]) -> list[Trial]:
    """Those that run and have the best scores: the best one to come is hardly ever another one."""
    still = [trial for trial in trials if not trial.status.is_over and trial.status is not TrialStatus.PAUSED]
    running = [trial for trial in still if trial.curve.best(sweep.mode) is not None]
    running.sort(key=lambda trial: sweep.mode.sign * (trial.curve.best(sweep.mode) or 0.0), reverse=True)
    return running[:_RIVALS]


def best_score(trials: Sequence[Trial], sweep: Sweep) -> float:
    """The best score of any trial at any step, NaN where there is none."""
    best = incumbent(trials, sweep.mode)
    score = best.curve.best(sweep.mode) if best else None
    return math.nan if score is None else score


def _crash_reported(trial: Trial) -> Trial:
    """A trial that died before its first report, as one that reported NaN: its configuration is to be avoided."""
    if trial.status is not TrialStatus.ERRORED or len(trial.curve):
        return trial
    return replace(trial, curve=LearningCurve((Measurement(1, math.nan),)))
