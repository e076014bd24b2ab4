"""What a sweep in which nothing was stopped says of every threshold: what it would have lost by stopping below it.

A sweep loses its winner where what a stopped trial would still have come to beats the best of what is left; by how
much is measured in units of the sweep's range, from the median first score to the best of all. A bolder threshold stops
the same trials no later, and others, so losses only grow with it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from metahp.errors import RecordError
from metahp.features import full_step
from metahp.types import Action, MadeDecision, Sweep, SweepHistory, Trial, TrialStatus

GRID = (1e-5, 1e-4, 0.001, 0.003, 0.006, 0.0125, 0.025, 0.05, 0.075, 0.1, 0.125, 0.15, 0.175, 0.2, 0.225, 0.25)
"""The thresholds that are tried, from careful to bold. As losses only grow, how many there are costs no confidence."""

_SMALLEST_RANGE = 1e-9


@dataclass(frozen=True, slots=True)
class Watched:
    """A trial that was not stopped, whatever was decided.

    Attributes:
        scores: ``(step, score)`` of each report, the larger the better, -inf for what is not finite.
        chances: ``(step, chance to win)`` of each decision that was predicted.
    """

    scores: tuple[tuple[int, float], ...]
    chances: tuple[tuple[int, float], ...]

    def stopped_at(self, threshold: float) -> int | None:
        """The step at which a threshold would have stopped it, None where it would not have."""
        return next((step for step, chance in self.chances if chance < threshold), None)

    @property
    def last_step(self) -> int:
        """To which it came, 0 where it never reported."""
        return self.scores[-1][0] if self.scores else 0

    def best(self, until: int | None = None) -> float:
        """Its best score, up to a step; -inf where there is none."""
        return max((score for step, score in self.scores if until is None or step <= until), default=-math.inf)


@dataclass(frozen=True, slots=True)
class SweepLosses:
    """What one sweep has to say.

    Attributes:
        task: sweeps of one task resemble each other, so they are one piece of evidence.
        losses: at each threshold of `GRID`, in units of the sweep's range; 0 where its winner is kept.

    Raises:
        RecordError: there are more or fewer losses than thresholds, or one is negative or smaller than that before.
    """

    task: str
    losses: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.losses) != len(GRID):
            raise RecordError(f"SweepLosses needs one loss for each of {len(GRID)} thresholds, got {len(self.losses)}")
        if list(self.losses) != sorted(self.losses) or self.losses[0] < 0.0:
            raise RecordError(f"losses grow with the threshold, from 0 on, got {self.losses}")


def losses_of(trials: Sequence[Watched]) -> tuple[float, ...]:
    """The loss at each threshold of `GRID`."""
    return tuple(loss_by(trials, [trial.stopped_at(threshold) for trial in trials]) for threshold in GRID)


def loss_by(trials: Sequence[Watched], stops: Sequence[int | None]) -> float:
    """What is lost where each trial is stopped at its step, in units of the sweep's range; None: it runs on."""
    firsts = [trial.scores[0][1] for trial in trials if trial.scores and math.isfinite(trial.scores[0][1])]
    best = max((trial.best() for trial in trials), default=-math.inf)
    kept = max((trial.best(stop) for trial, stop in zip(trials, stops, strict=True)), default=-math.inf)
    if not firsts or kept == best:
        return 0.0
    return (best - kept) / max(best - median(firsts), _SMALLEST_RANGE)


def sweep_losses(history: SweepHistory, decisions: Iterable[MadeDecision]) -> SweepLosses | None:
    """What a stored sweep has to say, None where trials were stopped, or are not over, so that it cannot be known.

    Sweeps in which no trial was to be stopped say nothing either: whether they would have been stopped in cannot be
    told from whether they were.
    """
    made = [each for each in decisions if each.step]
    full = full_step(history.sweep, history.trials)
    stops = [each for each in made if each.decision.action is Action.STOP and each.step < full]
    acted = any(each.decision.carried_out or each.decision.propensity > 0.0 for each in stops)
    if not stops or acted or not all(_ran_out(trial, full) for trial in history.trials):
        return None
    chances: dict[str, list[tuple[int, float]]] = {}
    for each in made:
        if each.decision.is_predicted:
            chances.setdefault(each.trial_id, []).append((each.step, each.decision.probability))
    sign = history.sweep.mode.sign
    watched = [_watched(trial, sign, chances.get(trial.trial_id, [])) for trial in history.trials]
    return SweepLosses(task_of(history.sweep), losses_of(watched))


def task_of(sweep: Sweep) -> str:
    """What tells a sweep's task from others: how it was described, else its name, and its metric."""
    described: Mapping[str, object] = sweep.task or {"name": sweep.name or sweep.sweep_id}
    return json.dumps([sweep.metric, dict(described)], sort_keys=True, default=str)


def _ran_out(trial: Trial, full: int) -> bool:
    """Whether nobody cut it short."""
    return trial.curve.last_step >= full or trial.status in (TrialStatus.COMPLETED, TrialStatus.ERRORED)


def _watched(trial: Trial, sign: float, chances: Sequence[tuple[int, float]]) -> Watched:
    values = ((m.step, sign * m.value if math.isfinite(m.value) else -math.inf) for m in trial.curve.measurements)
    return Watched(tuple(values), tuple(sorted(chances)))
