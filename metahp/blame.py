"""Which hyperparameter a trial has to blame: what would be predicted of it, had it one value of the best trial."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metahp.features import BoolArray, encode
from metahp.predictor import Posterior
from metahp.space import Parameter, SearchSpace
from metahp.types import Config, FloatArray, Sweep, Trial

_EQUAL = 1e-9
_LEAST_GAIN = 0.1  # of the prediction's own uncertainty: less is no reason to point at anything


@dataclass(frozen=True, slots=True)
class Blame:
    """A hyperparameter in which a trial differs from the best one, by itself.

    Attributes:
        name: its path.
        own: what the trial has.
        best: what the best trial has.
        score: predicted at the end of a full training of this configuration, were it begun anew.
        changed: the same with the best trial's value in place of its own.
        chance: predicted to beat the best trial, as it is.
        changed_chance: with the best trial's value.
        counts: whether the gain is more than what the prediction cannot tell apart.
    """

    name: str
    own: object
    best: object
    score: float
    changed: float
    chance: float
    changed_chance: float
    counts: bool


def blames(posterior: Posterior, sweep: Sweep, trial: Trial, best: Trial | None, full: int) -> tuple[Blame, ...]:
    """What the trial's hyperparameters have to answer for, the most to blame first.

    Both configurations are asked about as if they were begun anew, since what the trial has shown belongs to the values
    that it had.

    Args:
        posterior: conditioned on what the sweep has shown.
        sweep: the sweep.
        trial: the trial.
        best: the best one of the others, None where there is none.
        full: steps of a full training.
    """
    score = best.curve.best(sweep.mode) if best is not None else None
    if best is None or score is None:
        return ()
    swaps = _swapped(sweep.space, trial.config, best.config)
    if not swaps:
        return ()
    configs = [trial.config, *(config for *_, config in swaps)]
    asked = [Trial(f"swapped {number}", config) for number, config in enumerate(configs)]
    said = posterior.predict(asked, [full] * len(asked))
    means, chances = said.mean.tolist(), said.probability_better(score, sweep.mode).tolist()
    least = _LEAST_GAIN * float(said.std[0])
    found = [
        Blame(name, own, other, means[0], mean, chances[0], chance, sweep.mode.sign * (mean - means[0]) > least)
        for (name, own, other, _), mean, chance in zip(swaps, means[1:], chances[1:], strict=True)
    ]
    return tuple(sorted(found, key=lambda each: -sweep.mode.sign * each.changed))


def _swapped(space: SearchSpace, own: Config, best: Config) -> list[tuple[str, object, object, Config]]:
    """Where two configurations differ: the hyperparameter, both values, and the first one with the other's value."""
    points = encode(space, [own, best])
    (units, other), (active, there) = points.units, points.active
    found: list[tuple[str, object, object, Config]] = []
    for column, parameter in enumerate(space.parameters):
        if not (active[column] and there[column]) or abs(units[column] - other[column]) <= _EQUAL:
            continue
        config = space.decode(_with(column, units, other, active, there))
        found.append((parameter.key, _value(parameter, units[column]), _value(parameter, other[column]), config))
    return found


def _value(parameter: Parameter, place: float) -> object:
    return parameter.choice(place) if parameter.options else parameter.domain.from_unit(place)


def _with(column: int, own: FloatArray, other: FloatArray, active: BoolArray, there: BoolArray) -> FloatArray:
    """The first with one column of the second, and with what only the second has: its choice may bring it along."""
    unit = np.where(~active & there, other, own)
    unit[column] = other[column]
    return unit
