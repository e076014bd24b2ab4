"""Why a trial was stopped, or was not: what was decided and is predicted about it, and which trials are like it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import pyarrow.compute as pc

from metahp.blame import Blame, blames
from metahp.errors import StoreError
from metahp.features import Scale, full_step, scale_of
from metahp.models import load_version, newest_version
from metahp.policy import Policy, best_score
from metahp.predictor import Posterior, Predictor
from metahp.prior_predictor import PriorPredictor
from metahp.relatives import Relative, relatives
from metahp.store import Store
from metahp.types import LearningCurve, MadeDecision, Sweep, SweepHistory, Trial, incumbent

_MOST_PAST = 30  # sweeps that are looked through for similar trials
_STEPS_TO_THE_BEST = 12
_QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What the predictor says of a trial's score at one step.

    Attributes:
        step: the step.
        low, likely, high: the 10 %, 50 % and 90 % quantile, in the metric's unit.
        half_low, half_high: the 25 % and the 75 % quantile.
        seen: what the trial reported there, None if it did not come as far.
    """

    step: int
    low: float
    half_low: float
    likely: float
    half_high: float
    high: float
    seen: float | None


@dataclass(frozen=True, slots=True)
class TurningPoint:
    """What would have changed the decision to stop a trial, as it is predicted now.

    Attributes:
        step: the trial's last report before the decision.
        reported: what it was, NaN where it had diverged.
        needed: the least good score in its place with which the trial would have gone on, None where not even the
            best score of the other trials would have done.
    """

    step: int
    reported: float
    needed: float | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that can be said about a trial.

    Attributes:
        history: its sweep.
        trial: the trial.
        decisions: about it, the first one first.
        decided_at: when each of them was written down.
        forecasts: at the steps after those it had when it was last decided about; made now, by the predictor named.
        incumbent: the best of the other trials, None where none has a score.
        chance: that it beats the incumbent by the last step, as it is predicted now.
        blames: the hyperparameters in which it differs from the incumbent, the most to blame first; none where it is
            the best one itself.
        turning_point: None unless a prediction has stopped it; what would have changed that.
        model_version: of the predictor that was asked now, None for the one that knows this sweep alone.
        relatives: the most similar trials of the sweep, the nearest first.
        past_relatives: those of the store's other sweeps.
    """

    history: SweepHistory
    trial: Trial
    decisions: tuple[MadeDecision, ...]
    decided_at: tuple[datetime | None, ...]
    forecasts: tuple[Outlook, ...]
    incumbent: Trial | None
    chance: float | None
    blames: tuple[Blame, ...]
    turning_point: TurningPoint | None
    model_version: str | None
    relatives: tuple[Relative, ...]
    past_relatives: tuple[Relative, ...]

    @property
    def is_best(self) -> bool:
        """Whether it is the best trial of its sweep."""
        return incumbent(self.history.trials, self.history.sweep.mode) is self.trial

    @property
    def most_to_blame(self) -> Blame | None:
        """The hyperparameter most to blame for this trial, None where none is by itself."""
        return next((each for each in self.blames if each.counts), None)


def explain(store: Store, trial_id: str, sweep_id: str | None = None) -> Explanation:
    """Explains a trial.

    Args:
        store: where it is.
        trial_id: its id, or the beginning of it.
        sweep_id: its sweep; by default the newest one that has such a trial.

    Raises:
        StoreError: there is no such trial, or more than one.
    """
    history, trial = _found(store, trial_id, sweep_id)
    sweep, full = history.sweep, full_step(history.sweep, history.trials)
    decisions = tuple(d for d in store.decisions(sweep.sweep_id) if d.trial_id == trial.trial_id)
    predictor, version = _predictor(store)
    others = [own for own in history.trials if own.trial_id != trial.trial_id]
    best = incumbent(others, sweep.mode)
    known = replace(trial, curve=trial.curve.until(decisions[-1].step if decisions else trial.curve.last_step))
    posterior = predictor.condition(sweep, [*others, known])
    forecasts, chance = _forecast(posterior, sweep, trial, known, best, full)
    return Explanation(
        history=history,
        trial=trial,
        decisions=decisions,
        decided_at=_times(store, sweep.sweep_id, decisions),
        forecasts=forecasts,
        incumbent=best,
        chance=chance,
        blames=() if incumbent(history.trials, sweep.mode) is trial else blames(posterior, sweep, trial, best, full),
        turning_point=_turning_point(predictor, history, trial, decisions[-1]) if decisions else None,
        model_version=version,
        relatives=relatives(sweep, trial, [history]),
        past_relatives=relatives(sweep, trial, _past(store, sweep)),
    )


def _found(store: Store, trial_id: str, sweep_id: str | None) -> tuple[SweepHistory, Trial]:
    wanted = [sweep.sweep_id for sweep in reversed(store.sweeps()) if sweep_id in (None, sweep.sweep_id)]
    for history in map(store.history, wanted):
        matching = [trial for trial in history.trials if trial.trial_id.startswith(trial_id)]
        exact = [trial for trial in matching if trial.trial_id == trial_id]
        if len(exact or matching) == 1:
            return history, (exact or matching)[0]
        if matching:
            names = ", ".join(trial.trial_id for trial in matching[:5])
            raise StoreError(f"{len(matching)} trials begin with {trial_id!r} ({names}, …); give more of the id")
    where = f"sweep {sweep_id} of {store.location}" if sweep_id else store.location
    raise StoreError(f"{where} holds no trial {trial_id!r}; metahp report lists the trials of a sweep")


def _predictor(store: Store) -> tuple[Predictor, str | None]:
    version = newest_version(store)
    return (load_version(store, version), version) if version else (PriorPredictor(), None)


def _times(store: Store, sweep_id: str, decisions: Sequence[MadeDecision]) -> tuple[datetime | None, ...]:
    """When decisions about one trial were written down; a driver that resumed may have decided at a step again."""
    if not decisions:
        return ()
    where = (pc.field("sweep_id") == sweep_id) & (pc.field("trial_id") == decisions[0].trial_id)
    columns = ["step", "action", "decided_utc"]
    told = [row for batch in store.scan("decisions", columns, where) for row in batch.to_pylist()]
    known = {(row["step"], row["action"]): row["decided_utc"].replace(tzinfo=UTC) for row in told}
    return tuple(known.get((made.step, str(made.decision.action))) for made in decisions)


def _past(store: Store, own: Sweep) -> Iterator[SweepHistory]:
    """The newest of the other sweeps."""
    others = [sweep for sweep in store.sweeps() if sweep.sweep_id != own.sweep_id]
    return (store.history(sweep.sweep_id) for sweep in others[-_MOST_PAST:])


def _forecast(
    posterior: Posterior, sweep: Sweep, trial: Trial, known: Trial, best: Trial | None, full: int
) -> tuple[tuple[Outlook, ...], float | None]:
    """The rest of the trial, from what it had shown when it was decided about, beside all other trials."""
    decided_at = known.curve.last_step
    steps = sorted({int(step) for step in np.linspace(decided_at + 1, full, 6)}) if decided_at < full else []
    if not steps:
        return (), None
    prediction = posterior.predict([known] * len(steps), steps)
    seen = {m.step: m.value for m in trial.curve.measurements}
    low, half_low, likely, half_high, high = (prediction.quantile(q).tolist() for q in _QUANTILES)
    bands = zip(steps, low, half_low, likely, half_high, high, strict=True)
    forecasts = tuple(Outlook(step, a, b, c, d, e, seen.get(step)) for step, a, b, c, d, e in bands)
    score = best.curve.best(sweep.mode) if best is not None else None
    chance = None if score is None else float(prediction.probability_better(score, sweep.mode).max())
    return forecasts, chance


def _turning_point(
    predictor: Predictor, history: SweepHistory, trial: Trial, last: MadeDecision
) -> TurningPoint | None:
    """The last report, moved towards the best score of the others until the trial would have gone on."""
    decision, known, sweep = last.decision, trial.curve.until(last.step).measurements, history.sweep
    others = [own for own in history.trials if own.trial_id != trial.trial_id]
    best = best_score(others, sweep)
    if not decision.stops or not decision.is_predicted or not known or math.isnan(best):
        return None
    report = known[-1]
    start = report.value if math.isfinite(report.value) else _usual_start(scale_of(sweep.mode, others), best)
    scores = np.linspace(start, best, _STEPS_TO_THE_BEST)
    begun = replace(trial, curve=LearningCurve(known[:-1]))
    asked = [replace(trial, curve=begun.curve.extended(replace(report, value=float(score)))) for score in scores]
    policy = Policy(predictor)
    chances = np.array([policy.chances(sweep, [*others, begun], [one])[0] for one in asked])
    enough = np.flatnonzero(chances >= decision.threshold)
    return TurningPoint(report.step, report.value, float(scores[enough[0]]) if len(enough) else None)


def _usual_start(scale: Scale | None, best: float) -> float:
    """The score at which trials of the sweep usually start, for one that has diverged."""
    return best if scale is None else float(scale.values(np.zeros(1))[0])
