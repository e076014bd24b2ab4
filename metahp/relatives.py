"""Trials whose configurations are like that of a trial, of its own sweep and of past ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from metahp.features import Points, encode
from metahp.surrogate.names import ENOUGH_OVERLAP, overlap, translate
from metahp.types import Sweep, SweepHistory, Trial

_ALIKE = 5


@dataclass(frozen=True, slots=True)
class Relative:
    """A trial with a similar configuration.

    Attributes:
        sweep: its sweep.
        trial: the trial.
        distance: of the configurations, 0 for equal ones, 1 for opposite corners of the space.
        best: its best value, None where it has none; in the unit of its own sweep's metric.
    """

    sweep: Sweep
    trial: Trial
    distance: float
    best: float | None


def relatives(sweep: Sweep, trial: Trial, among: Iterable[SweepHistory], most: int = _ALIKE) -> tuple[Relative, ...]:
    """The most similar trials that have reported, the nearest first.

    Hyperparameters of other sweeps are matched by name and value; sweeps with fewer than half of them are left out.

    Args:
        sweep: of the trial.
        trial: the trial; it is not among its relatives.
        among: sweeps to look in.
        most: how many to name.
    """
    own = encode(sweep.space, [trial.config])
    found = [each for history in among for each in _of_sweep(sweep, own, trial, history)]
    return tuple(sorted(found, key=lambda each: each.distance)[:most])


def _of_sweep(sweep: Sweep, own: Points, trial: Trial, history: SweepHistory) -> list[Relative]:
    there = history.sweep
    itself = trial.trial_id if there.sweep_id == sweep.sweep_id else None
    others = [other for other in history.trials if other.trial_id != itself and len(other.curve)]
    if not others or not sweep.space.dimension or overlap(sweep.space, there.space) < ENOUGH_OVERLAP:
        return []
    points = translate(encode(there.space, [other.config for other in others]), sweep.space)
    apart = np.where(points.active & own.active, points.units - own.units, points.active != own.active)
    distances = np.sqrt(np.square(apart).mean(axis=1))
    nearest = np.argsort(distances, kind="stable")[:_ALIKE]
    return [Relative(there, others[i], float(distances[i]), others[i].curve.best(there.mode)) for i in nearest]
