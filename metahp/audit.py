"""Was stopping right? What the trials that were to be stopped and ran on say about all that were stopped.

Each was left running with a known chance, independent of what it is, so their plain mean estimates all: the estimate by
inverse propensity, normalised (Hájek 1971). Intervals are Wilson's (1927), which hold for the small counts there are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import nlargest
from statistics import NormalDist

from metahp.features import full_step
from metahp.store import Store
from metahp.types import Action, MadeDecision, Sweep, SweepHistory, Trial


@dataclass(frozen=True, slots=True)
class Spared:
    """A trial that was to be stopped and ran on.

    Attributes:
        sweep_id, trial_id: of the trial.
        step: at which it was first to be stopped.
        last_step: to which it came.
        is_over: whether its training is complete and its curve known, so that it counts.
        weight: one over the chance with which it was spared; 1 where every trial is.
        gain: by how much it beat all other trials of its sweep at last, in the metric's unit; 0 if it did not.
        score: its best value, None where it has none.
        rank: of the trials of its sweep by their best values, counted from 1.
    """

    sweep_id: str
    trial_id: str
    step: int
    last_step: int
    is_over: bool
    weight: float
    gain: float
    score: float | None = None
    rank: int = 0

    @property
    def is_shadow(self) -> bool:
        """Whether nobody is stopped in its sweep: ``prune: shadow``."""
        return self.weight == 1.0


@dataclass(frozen=True, slots=True)
class Audit:
    """What is known about the decisions to stop, of one sweep or of many.

    Attributes:
        condemned: trials that were to be stopped.
        stopped: those of them that were.
        spared: the others, as a sample.
        epochs_saved: which the stopped trials did not train.
        epochs_spent: on the spared ones, after they were to be stopped.
        epochs_trained: by all trials.
    """

    condemned: int = 0
    stopped: int = 0
    spared: tuple[Spared, ...] = field(default=())
    epochs_saved: int = 0
    epochs_spent: int = 0
    epochs_trained: int = 0

    def __add__(self, other: Audit) -> Audit:
        return Audit(
            self.condemned + other.condemned,
            self.stopped + other.stopped,
            self.spared + other.spared,
            self.epochs_saved + other.epochs_saved,
            self.epochs_spent + other.epochs_spent,
            self.epochs_trained + other.epochs_trained,
        )

    @property
    def shadowed(self) -> tuple[Spared, ...]:
        """The spared trials of sweeps in which nobody is stopped: those that pruning would have ended."""
        return tuple(spared for spared in self.spared if spared.is_shadow)

    @property
    def epochs_shadowed(self) -> int:
        """Epochs that pruning would have saved there."""
        return sum(max(spared.last_step - spared.step, 0) for spared in self.shadowed)

    @property
    def judged(self) -> tuple[Spared, ...]:
        """The spared trials whose training is complete."""
        return tuple(spared for spared in self.spared if spared.is_over)

    @property
    def winners(self) -> tuple[Spared, ...]:
        """Those that beat all other trials of their sweep: to stop them would have been wrong."""
        return tuple(spared for spared in self.judged if spared.gain > 0)

    @property
    def false_prune_rate(self) -> float:
        """Estimated share of the condemned trials that would have won, NaN where none was judged."""
        weight = sum(spared.weight for spared in self.judged)
        return sum(spared.weight for spared in self.winners) / weight if weight else math.nan

    def interval(self, level: float = 0.9) -> tuple[float, float]:
        """Bounds of the false-prune rate; the whole of [0, 1] where no trial was judged."""
        weights = [spared.weight for spared in self.judged]
        if not weights:
            return 0.0, 1.0
        count = sum(weights) ** 2 / sum(weight**2 for weight in weights)  # Kish's effective sample size
        return wilson(self.false_prune_rate, count, level)

    @property
    def mean_gain(self) -> float:
        """Estimated loss by stopping one condemned trial, in the metric's unit; NaN where none was judged."""
        weight = sum(spared.weight for spared in self.judged)
        return sum(spared.weight * spared.gain for spared in self.judged) / weight if weight else math.nan


def audit(history: SweepHistory, decisions: Iterable[MadeDecision]) -> Audit:
    """The audit of one sweep.

    Args:
        history: its trials.
        decisions: about them, in the order in which they were made.
    """
    sweep, full = history.sweep, full_step(history.sweep, history.trials)
    first: dict[str, MadeDecision] = {}
    for made in decisions:
        if made.decision.action is Action.STOP and made.step < full:
            first.setdefault(made.trial_id, made)
    condemned = [(trial, first[trial.trial_id]) for trial in history.trials if trial.trial_id in first]
    stopped = [trial for trial, made in condemned if made.decision.carried_out]
    leaders, ranks = _leaders(history), _ranks(history)
    spared = [(trial, made) for trial, made in condemned if not made.decision.carried_out]
    left = [_spared(sweep, trial, made, leaders, ranks[trial.trial_id], full) for trial, made in spared]
    return Audit(
        condemned=len(condemned),
        stopped=len(stopped),
        spared=tuple(left),
        epochs_saved=sum(max(full - max(trial.curve.last_step, first[trial.trial_id].step), 0) for trial in stopped),
        epochs_spent=sum(max(spared.last_step - spared.step, 0) for spared in left),
        epochs_trained=sum(trial.curve.last_step for trial in history.trials),
    )


def audit_of_store(store: Store) -> Audit:
    """The audits of all sweeps of a store, taken together.

    Raises:
        StoreError: the store cannot be read.
    """
    return sum((audit(history, store.decisions(history.sweep.sweep_id)) for history in store.curves()), Audit())


def wilson(share: float, count: float, level: float) -> tuple[float, float]:
    """Bounds of a share that was seen in ``count`` independent draws."""
    z = NormalDist().inv_cdf(0.5 + level / 2)
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _leaders(history: SweepHistory) -> list[tuple[float, str]]:
    """The two best scores, the larger the better, with their trials: the best of all others is one of them."""
    mode = history.sweep.mode
    scored = [(trial.curve.best(mode), trial.trial_id) for trial in history.trials]
    return nlargest(2, [(mode.sign * best, trial_id) for best, trial_id in scored if best is not None])


def _ranks(history: SweepHistory) -> dict[str, int]:
    """Each trial's place by its best value; those without one come last."""
    mode = history.sweep.mode
    best = {own.trial_id: own.curve.best(mode) for own in history.trials}
    order = sorted(best, key=lambda own: math.inf if (score := best[own]) is None else -mode.sign * score)
    return {trial_id: place for place, trial_id in enumerate(order, 1)}


def _spared(
    sweep: Sweep, trial: Trial, made: MadeDecision, leaders: Sequence[tuple[float, str]], rank: int, full: int
) -> Spared:
    scores = [score for score, trial_id in leaders if trial_id != trial.trial_id]
    own = trial.curve.best(sweep.mode)
    gain = sweep.mode.sign * own - max(scores) if own is not None and scores else 0.0
    left_running = 1.0 - made.decision.propensity
    return Spared(
        sweep_id=sweep.sweep_id,
        trial_id=trial.trial_id,
        step=made.step,
        last_step=trial.curve.last_step,
        is_over=_is_known(trial, made) and (trial.curve.last_step >= full or trial.status.is_over),
        weight=1.0 / left_running if left_running > 0 else 1.0,
        gain=max(gain, 0.0),
        score=own,
        rank=rank,
    )


def _is_known(trial: Trial, made: MadeDecision) -> bool:
    """Whether its curve comes as far as the decision: rows that were lost leave nothing to judge by."""
    return trial.curve.last_step >= max(made.step, 1)
