"""Made-up tasks with a known optimum and the cases that are hard for early stopping and for transfer.

============  ==================================================================================================
kind          what is hard
============  ==================================================================================================
`plain`       nothing: smooth curves whose order at the start is the order at the end
`crossing`    configurations that learn fast end low, so the order turns round
`late`        good configurations stay flat for up to half of the training, then rise
`diverging`   a loss; too large a learning rate goes to NaN or infinity, or kills the training, sooner or later
`noisy`       the noise of one report is as large as the difference of good configurations
`plateau`     the score takes six values over the space, and most of the space is flat
`conditional` two optimisers with hyperparameters of their own; which one is better differs between tasks
============  ==================================================================================================

A kind is a family of 6 related tasks: their optima lie within about 0.1 (unit cube) of a common centre, their floors
and ceilings differ. So a sweep on one can help a sweep on another, and a fixed portfolio is not quite right.

How a curve comes about: a configuration has a quality q in [0, 1], 1 at the task's optimum alone, and a pace; its
score climbs from the floor towards ``floor + (ceiling - floor) * q``, and q = 1 reaches the ceiling at the last step.
So the optimum of a task is its ceiling (a loss: its lowest value), noise aside.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.tasks.task import Curve, Task
from metahp.space import Categorical, Conditional, Float, Int, SearchSpace
from metahp.types import Config, FloatArray, Mode

TASKS_PER_KIND = 6
MAX_STEP = 50

NETWORK: dict[str, Any] = {
    "learning_rate": Float(1e-5, 1.0, log=True),
    "weight_decay": Float(1e-6, 1e-1, log=True),
    "units": Int(16, 512, log=True),
    "layers": Int(1, 5),
    "dropout": Float(0.0, 0.8),
    "activation": Categorical(("relu", "gelu", "tanh")),
}
OPTIMIZERS = {
    "units": NETWORK["units"],
    "dropout": NETWORK["dropout"],
    "optimizer": Conditional(
        (
            {"name": "adam", "learning_rate": Float(1e-5, 1e-1, log=True), "epsilon": Float(1e-9, 1e-3, log=True)},
            {"name": "sgd", "learning_rate": Float(1e-4, 1.0, log=True), "momentum": Float(0.0, 0.99)},
        )
    ),
}
NETWORK_SPACE = SearchSpace(NETWORK)


@dataclass(frozen=True, slots=True)
class Traits:
    """What distinguishes a kind.

    Attributes:
        space: the hyperparameters.
        noise: standard deviation of a report, in units of ceiling minus floor.
        pace: how fast the worst configuration reaches what it can reach; 8: two thirds of it in an eighth of the time.
        pace_cost: how much slower the best configuration is than the worst, as a power of ten.
        onset: share of the training for which the best configuration stays flat.
        diverging: whether learning rates far above the best one diverge.
        levels: number of values the quality may take, 0 for all.
    """

    space: SearchSpace = NETWORK_SPACE
    noise: float = 0.003
    pace: float = 8.0
    pace_cost: float = 0.0
    onset: float = 0.0
    diverging: bool = False
    levels: int = 0


KINDS: dict[str, Traits] = {
    "plain": Traits(),
    "crossing": Traits(pace=60.0, pace_cost=1.6),
    "late": Traits(onset=0.5),
    "diverging": Traits(diverging=True),
    "noisy": Traits(noise=0.04),
    "plateau": Traits(levels=6),
    "conditional": Traits(space=SearchSpace(OPTIMIZERS)),
}


@dataclass(frozen=True, slots=True)
class Landscape:
    """One task's numbers.

    Attributes:
        kind: its family's name.
        seed: distinguishes the noise of two tasks.
        best: shape ``(d,)``, the optimum in the unit cube.
        weights: shape ``(d,)``, how much each hyperparameter matters.
        floor: the score of a model that has learned nothing.
        ceiling: the score of the optimum at the last step.
    """

    kind: str
    seed: int
    best: FloatArray
    weights: FloatArray
    floor: float
    ceiling: float

    @property
    def traits(self) -> Traits:
        """What distinguishes the kind."""
        return KINDS[self.kind]


def synthetic_tasks(kind: str) -> tuple[Task, ...]:
    """The six related tasks of a kind; always the same."""
    return tuple(_task(kind, number) for number in range(TASKS_PER_KIND))


def _task(kind: str, number: int) -> Task:
    landscape = _landscape(kind, number)
    is_loss = landscape.traits.diverging
    return Task(
        name=f"synthetic-{kind}/{number}",
        family=f"synthetic-{kind}",
        space=landscape.traits.space,
        metric="val_loss" if is_loss else "val_accuracy",
        mode=Mode.MIN if is_loss else Mode.MAX,
        max_step=MAX_STEP,
        source=partial(_curves, landscape),
        meta={"kind": "synthetic"},
        optimum=-landscape.ceiling if is_loss else landscape.ceiling,
    )


def best_config(task: Task) -> dict[str, Any]:
    """The configuration with the highest quality of a synthetic task."""
    kind, _, number = task.name.removeprefix("synthetic-").partition("/")
    return task.space.decode(_landscape(kind, int(number)).best)


def _landscape(kind: str, number: int) -> Landscape:
    family = np.random.default_rng(list(KINDS).index(kind))
    space = KINDS[kind].space
    centre = family.uniform(0.25, 0.75, space.dimension)
    weights = family.gamma(1.0, size=space.dimension) + 0.1
    weights *= 12.0 / weights.sum()
    rng = np.random.default_rng([list(KINDS).index(kind), number])
    best, _ = space.encode([space.decode(np.clip(centre + rng.normal(0.0, 0.1, space.dimension), 0.02, 0.98))])
    if kind == "conditional":
        column = next(i for i, parameter in enumerate(space.parameters) if parameter.name == "optimizer")
        best[0, column] = 0.25 if number % 3 else 0.75  # every third task wants the other optimiser
    floor, height = (-rng.uniform(1.0, 2.5), 0.8) if KINDS[kind].diverging else (rng.uniform(0.1, 0.4), 1.0)
    ceiling = floor * (1.0 - height) if KINDS[kind].diverging else rng.uniform(0.75, 0.98)
    return Landscape(kind, number, _snapped(space, best[0]), weights, float(floor), float(ceiling))


def _snapped(space: SearchSpace, point: FloatArray) -> FloatArray:
    """The nearest point that a configuration encodes to; 0.5 for what the branch does not have."""
    units, _ = space.encode([space.decode(point)])
    return units[0]


def _curves(landscape: Landscape, configs: Sequence[Config]) -> list[Curve]:
    return [_curve(landscape, config) for config in configs]


def _curve(landscape: Landscape, config: Config) -> Curve:
    traits = landscape.traits
    units, active = traits.space.encode([config])
    quality = _quality(landscape, units[0], active[0])
    progress = _progress(traits, quality)
    rng = np.random.default_rng(_fingerprint(landscape, config))
    gained = quality * progress + rng.normal(0.0, traits.noise, MAX_STEP)
    scores = landscape.floor + (landscape.ceiling - landscape.floor) * gained
    seconds = _seconds_per_step(config) * np.arange(1.0, MAX_STEP + 1)
    if traits.diverging:
        return _diverged(
            Curve(-scores, seconds), units[0, _learning_rate(traits)] - landscape.best[_learning_rate(traits)]
        )
    return Curve(scores, seconds)


def _quality(landscape: Landscape, units: FloatArray, active: Any) -> float:
    """1 at the optimum, falling with the weighted distance; a choice is right or wrong: distance 0 or one half."""
    gaps = np.abs(units - landscape.best)
    for column, parameter in enumerate(landscape.traits.space.parameters):
        if isinstance(parameter.domain, Categorical):
            gaps[column] = 0.5 * (gaps[column] > 1e-9)
        elif not active[column]:
            gaps[column] = 0.0
    quality = float(np.exp(-np.sum(landscape.weights * gaps**2)))
    levels = landscape.traits.levels
    return np.ceil(quality * levels - 1e-9) / levels if levels else quality


def _progress(traits: Traits, quality: float) -> FloatArray:
    """How much of the final gain is there after 1, 2, … steps; 1 at the last one for quality 1."""
    share = np.arange(1, MAX_STEP + 1) / MAX_STEP
    if traits.onset:
        onset = traits.onset * quality
        waited = np.clip((share - onset) / (1.0 - onset), 0.0, 1.0)
        return _saturating(waited, pace=5.0)
    return _saturating(share, pace=traits.pace * 10.0 ** (-traits.pace_cost * quality))


def _saturating(share: FloatArray, pace: float) -> FloatArray:
    climb: FloatArray = (1.0 - np.exp(-pace * share)) / (1.0 - np.exp(-pace))
    return climb


def _diverged(curve: Curve, excess: float) -> Curve:
    """Above the best learning rate by more than a fifth of its range the loss goes wrong, the sooner the larger."""
    if excess <= 0.2:
        return curve
    first = max(1, int(MAX_STEP * (1.0 - 2.0 * (excess - 0.2))))
    if excess > 0.45:
        return Curve(curve.scores[:first], curve.seconds[:first], fails=True)
    scores = curve.scores.copy()
    scores[first:] = np.inf if excess > 0.35 else np.nan
    return Curve(scores, curve.seconds)


def _learning_rate(traits: Traits) -> int:
    return next(i for i, parameter in enumerate(traits.space.parameters) if parameter.name == "learning_rate")


def _seconds_per_step(config: Config) -> float:
    """Wider and deeper networks take longer: 0.5 to 3.5 seconds a step."""
    return 0.5 + 3.0 * config["units"] * config.get("layers", 3) / (512 * 5)


def _fingerprint(landscape: Landscape, config: Config) -> int:
    text = json.dumps([landscape.kind, landscape.seed, config], sort_keys=True)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest())
