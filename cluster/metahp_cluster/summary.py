"""A sweep in few numbers: what lists and comparisons of sweeps show."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from metahp.features import full_step
from metahp.types import Sweep, SweepHistory, Trial, TrialStatus

LINE_POINTS = 200


@dataclass(frozen=True, slots=True)
class Cost:
    """What some trials took.

    Attributes:
        trials: how many.
        epochs: that they trained.
        seconds: of training, as far as they said.
    """

    trials: int = 0
    epochs: int = 0
    seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.trials + other.trials, self.epochs + other.epochs, self.seconds + other.seconds)


@dataclass(frozen=True, slots=True)
class Summary:
    """A sweep in few numbers.

    Attributes:
        sweep: the sweep.
        best: the best finite value, None where there is none.
        costs: what the trials took, by where they stand.
        epochs_saved: which pruned trials did not train.
        seconds_saved: that these would have taken, each trial at its own pace.
        line: the best value after so many epochs of the whole sweep, trials counted in the order of their starts.
    """

    sweep: Sweep
    best: float | None
    costs: Mapping[TrialStatus, Cost]
    epochs_saved: int
    seconds_saved: float
    line: tuple[tuple[int, float], ...]

    @property
    def counts(self) -> Counter[TrialStatus]:
        """How many trials stand where."""
        return Counter({status: cost.trials for status, cost in self.costs.items()})

    @property
    def cost(self) -> Cost:
        """What all trials took."""
        return sum(self.costs.values(), Cost())

    @property
    def title(self) -> str:
        """What people call it."""
        return self.sweep.name or self.sweep.sweep_id


def summarise(history: SweepHistory, full: int | None = None) -> Summary:
    """The summary of a sweep.

    Args:
        history: the sweep.
        full: epochs of a full training; by default as declared, or the longest training seen.
    """
    full = full or full_step(history.sweep, history.trials)
    costs: dict[TrialStatus, Cost] = {}
    for trial in history.trials:
        costs[trial.status] = costs.get(trial.status, Cost()) + cost_of(trial)
    pruned = [trial for trial in history.trials if trial.status is TrialStatus.STOPPED]
    missing = [max(full - trial.curve.last_step, 0) for trial in pruned]
    paces = [_pace(trial) for trial in pruned]
    line = _line(history)
    return Summary(
        sweep=history.sweep,
        best=line[-1][1] if line else None,
        costs=costs,
        epochs_saved=sum(missing),
        seconds_saved=sum(epochs * pace for epochs, pace in zip(missing, paces, strict=True)),
        line=line,
    )


def cost_of(trial: Trial) -> Cost:
    """What one trial took; seconds are 0 where it did not say."""
    elapsed = trial.curve.measurements[-1].elapsed_s if trial.curve.measurements else 0.0
    return Cost(1, trial.curve.last_step, elapsed if math.isfinite(elapsed) else 0.0)


def _pace(trial: Trial) -> float:
    """Seconds an epoch, 0 where unknown."""
    cost = cost_of(trial)
    return cost.seconds / cost.epochs if cost.epochs else 0.0


def _line(history: SweepHistory) -> tuple[tuple[int, float], ...]:
    """Where the best value improves, and the end; of many improvements some."""
    mode, epochs, best = history.sweep.mode, 0, math.nan
    found: list[tuple[int, float]] = []
    for trial in history.trials:
        for m in trial.curve.measurements:
            if math.isfinite(m.value) and not mode.sign * (best - m.value) >= 0:
                best = m.value
                found.append((epochs + m.step, best))
        epochs += trial.curve.last_step
    if not found:
        return ()
    kept = np.unique(np.linspace(0, len(found) - 1, min(len(found), LINE_POINTS)).astype(int))
    return (*(found[i] for i in kept), (epochs, best))
