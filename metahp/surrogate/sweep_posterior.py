"""From trials to a `Process` and back to a `Prediction`: the posterior that all predictors hand out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metahp.features import Observations, Points, Scale, believable, encode, fractions, full_step, observe
from metahp.surrogate.doubt import honest
from metahp.surrogate.process import Belief, Process, Rows
from metahp.surrogate.scales import PastScales, provisional
from metahp.types import FloatArray, IntArray, LearningCurve, Prediction, Sweep, Trial

MOST_ROWS = 400
_MOST_NEW_POINTS = 4  # of a trial, appended to a posterior that did not know them


@dataclass(frozen=True, eq=False)
class SweepPosterior:
    """What is believed about the trials of one sweep; see `metahp.predictor.Posterior`.

    Attributes:
        sweep: the sweep.
        past: what past sweeps tell about the metric's scale.
        full: steps of a full training.
        scale: the provisional scale on which the process works.
        process: the process, conditioned on what was seen.
        seen: by trial id, its number in the process and the last step that it knows.
    """

    sweep: Sweep
    past: PastScales | None
    full: int
    scale: Scale
    process: Process
    seen: dict[str, tuple[int, int]]

    @classmethod
    def given(cls, belief: Belief, past: PastScales | None, sweep: Sweep, trials: Sequence[Trial]) -> SweepPosterior:
        """Condition on what these trials showed."""
        told = [trial for trial in believable(sweep, trials) if len(trial.curve)]
        full = full_step(sweep, told)
        scale, scale_prior = provisional(sweep, told, past)
        observations = observe(sweep, told, scale, full=full, most_rows=MOST_ROWS)
        rows = _rows(belief, observations, np.arange(len(observations.points)))
        process = Process.given(belief, scale_prior, rows, observations.level)
        last = {trial.trial_id: trial.curve.last_step for trial in told}
        seen = {name: (number, last[name]) for number, name in enumerate(observations.trial_ids)}
        return cls(sweep, past, full, scale, process, seen)

    def predict(self, trials: Sequence[Trial], steps: Sequence[int]) -> Prediction:
        """The metric of each trial at its step; see `metahp.predictor.Posterior`."""
        if not trials:
            return Prediction(np.zeros(0), np.zeros(0))
        informed = self._knowing(trials)
        return informed._told(informed.process.predict(informed._queries(trials, steps)), informed._shown(trials))

    def promise(self, points: Points, step: int) -> Prediction:
        """The metric of configurations not yet started; see `metahp.predictor.Posterior`."""
        rows = np.arange(len(points))
        at = fractions(np.full(len(points), step, np.int64), self.full)
        queries = Rows.believed(self.process.belief, points, rows, np.full(len(points), -1), at)
        return self._told(self.process.predict(queries), np.zeros(len(points)))

    def draw(self, trials: Sequence[Trial], steps: Sequence[int], count: int, rng: np.random.Generator) -> FloatArray:
        """What they may jointly come to; see `metahp.predictor.Posterior`."""
        if not trials:
            return np.zeros((count, 0))
        informed = self._knowing(trials)
        return informed.scale.values(informed.process.draw(informed._queries(trials, steps), count, rng))

    def _told(self, moments: tuple[FloatArray, FloatArray], shown: FloatArray) -> Prediction:
        """Mean and variance of levels in the metric's own unit, of trials of which these fractions are known."""
        mean, variance = moments
        std = np.sqrt(variance) * self.scale.spread
        if len(self.process.rows):  # before, the doubt about where scores lie is wide enough
            std = std * honest(shown)
        return Prediction(self.scale.values(mean), std)

    def _shown(self, trials: Sequence[Trial]) -> FloatArray:
        """The fraction of a training that is known of each trial, shape ``(n,)``."""
        return np.array([self.seen.get(trial.trial_id, (0, 0))[1] for trial in trials]) / self.full

    def _queries(self, trials: Sequence[Trial], steps: Sequence[int]) -> Rows:
        configs = {id(trial.config): trial.config for trial in trials}
        place = {key: index for index, key in enumerate(configs)}
        points = encode(self.sweep.space, list(configs.values()))
        return Rows.believed(
            self.process.belief,
            points,
            np.array([place[id(trial.config)] for trial in trials], np.int64),
            np.array([self.seen[t.trial_id][0] if t.trial_id in self.seen else -1 for t in trials], np.int64),
            fractions(np.asarray(steps, np.int64), self.full),
        )

    def _knowing(self, trials: Sequence[Trial]) -> SweepPosterior:
        """This posterior, conditioned as well on what it did not know of these trials."""
        fresh = {trial.trial_id: self._news(trial) for trial in trials}
        news = [trial for trial in fresh.values() if len(trial.curve)]
        if not news:
            return self
        if not len(self.process.rows):  # nothing is known of the scale either
            return SweepPosterior.given(self.process.belief, self.past, self.sweep, news)
        return self._extended(news)

    def _extended(self, news: Sequence[Trial]) -> SweepPosterior:
        most_rows = _MOST_NEW_POINTS * len(news)
        added = observe(self.sweep, news, self.scale, full=self.full, most_rows=most_rows)
        first = len(self.process.rows.points)  # beyond all numbers in use
        numbers = [self.seen.get(name, (first + place, 0))[0] for place, name in enumerate(added.trial_ids)]
        process = self.process.extended(_rows(self.process.belief, added, np.array(numbers)), added.level)
        last = {trial.trial_id: trial.curve.last_step for trial in news}
        seen = {name: (number, last[name]) for name, number in zip(added.trial_ids, numbers, strict=True)}
        return SweepPosterior(self.sweep, self.past, self.full, self.scale, process, self.seen | seen)

    def _news(self, trial: Trial) -> Trial:
        known = self.seen.get(trial.trial_id, (0, 0))[1]
        fresh = tuple(point for point in trial.curve.measurements if point.step > known)
        return Trial(trial.trial_id, trial.config, LearningCurve(fresh), trial.status)


def _rows(belief: Belief, observations: Observations, numbers: IntArray) -> Rows:
    trial = observations.trial
    return Rows.believed(belief, observations.points, trial, numbers[trial], observations.fraction)
