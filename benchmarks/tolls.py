"""What it costs a sweep to stop trials: its winner, false prunes, epochs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.shadows import ShadowSweep
from metahp.sweep_losses import Watched, loss_by

Stops = Sequence[int | None]
Rule = Callable[[ShadowSweep], Stops]


@dataclass(frozen=True, slots=True)
class Toll:
    """What a rule has cost a sweep.

    Attributes:
        loss: by how much what was stopped would have beaten all that was left, in units of the sweep's range.
        false: share of the stopped trials that would have.
        epochs: share of those of running everything.
    """

    loss: float
    false: float
    epochs: float


def below(threshold: float) -> Rule:
    """Stops trials with smaller chances."""
    return lambda sweep: [trial.stopped_at(threshold) for trial in sweep.trials]


def by_asha(sweep: ShadowSweep) -> Stops:
    """The rule without a model, on the same trials."""
    return sweep.asha_steps


def toll(trials: Sequence[Watched], stops: Stops) -> Toll:
    """What it costs to stop each trial at its step, None for those that run on."""
    pairs = [(own, stop) for own, stop in zip(trials, stops, strict=True) if own.scores]
    kept = max(own.best(stop) for own, stop in pairs)
    stopped = [own for own, stop in pairs if stop is not None and stop < own.last_step]
    false = sum(own.best() > kept for own in stopped) / max(len(stopped), 1)
    trained = sum(own.last_step if stop is None else stop for own, stop in pairs)
    return Toll(loss_by(trials, stops), false, trained / sum(own.last_step for own, _ in pairs))


def tolls(sweeps: Sequence[ShadowSweep], rule: Rule) -> list[Toll]:
    """What a rule costs each sweep."""
    return [toll(sweep.trials, rule(sweep)) for sweep in sweeps]
