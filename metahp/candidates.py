"""Which configurations to choose from, and how good they promise to be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from metahp.domains import Categorical
from metahp.features import decoded, encode
from metahp.predictor import Experience
from metahp.space import SearchSpace
from metahp.types import Config, FloatArray, Mode, Prediction, Trial

RANDOM = 200
NEIGHBOURS = 16
_LEADERS = 5
_FROM_THE_PAST = 60
_DIGITS = 12  # configurations that differ by rounding are the same one
STEP = 0.1  # of a range: how far neighbours lie
_PORTFOLIO_FRACTIONS = (0.125, 0.25)  # of a full training: where pruned histories still know something


def places(space: SearchSpace, configs: Sequence[Config]) -> set[bytes]:
    """Where in the unit cube configurations lie, to tell them apart by."""
    return set(_places(space, configs))


def _places(space: SearchSpace, configs: Sequence[Config]) -> list[bytes]:
    return [unit.tobytes() for unit in encode(space, configs).units.round(_DIGITS)]


def untried(configs: Sequence[Config], space: SearchSpace, tried: set[bytes]) -> list[Config]:
    """The configurations that differ from each other and lie at none of these `places`, in their order.

    Their own places are added to ``tried``.
    """
    fresh = []
    for config, place in zip(configs, _places(space, configs), strict=True):
        if place not in tried:
            tried.add(place)
            fresh.append(config)
    return fresh


def random_configs(space: SearchSpace, count: int, rng: np.random.Generator) -> list[Config]:
    """Configurations drawn evenly from the unit cube."""
    return decoded(space, rng.random((count, space.dimension)))


def neighbours(
    space: SearchSpace, leaders: Sequence[Config], rng: np.random.Generator, step: float = STEP
) -> list[Config]:
    """Configurations near each leader: about half of the columns moved, choices drawn anew now and then.

    Args:
        space: of the sweep.
        leaders: to look around.
        rng: draws them.
        step: standard deviation of what a column is moved by, as a share of its range.
    """
    choice = np.array([isinstance(parameter.domain, Categorical) for parameter in space.parameters], bool)
    found: list[FloatArray] = []
    for unit in encode(space, leaders).units:
        shape = (NEIGHBOURS, space.dimension)
        moved = rng.random(shape) < 0.5
        place = unit + moved * rng.normal(0.0, step, shape)
        redrawn = choice & (rng.random(shape) < 1.0 / max(space.dimension, 2))
        found.append(np.where(choice, np.where(redrawn, rng.random(shape), unit), place))
    return decoded(space, np.concatenate([*found, np.zeros((0, space.dimension))]))


def proposals(
    space: SearchSpace, trials: Sequence[Trial], mode: Mode, past: Experience | None, rng: np.random.Generator
) -> list[Config]:
    """What to choose from: the best of the past, random ones, neighbours of this sweep's best; none tried before."""
    tried = places(space, [trial.config for trial in trials])
    from_past = list(past.best_configs())[:_FROM_THE_PAST] if past else []
    near = neighbours(space, leaders(trials, mode), rng)
    return untried([*from_past, *random_configs(space, RANDOM, rng), *near], space, tried)


def best_of(past: Experience, space: SearchSpace, tried: set[bytes]) -> list[Config]:
    """The best of the past that lie at none of the `places` tried in this sweep."""
    return untried(list(past.best_configs())[:_FROM_THE_PAST], space, tried)


def leaders(trials: Sequence[Trial], mode: Mode) -> list[Config]:
    """Configurations of the best few trials, best first."""
    scored = [(trial.curve.best(mode), trial.config) for trial in trials]
    told = [(mode.sign * score, config) for score, config in scored if score is not None]
    return [config for _, config in sorted(told, key=lambda pair: -pair[0])[:_LEADERS]]


def next_of_portfolio(candidates: Sequence[Config], chosen: Sequence[Config], past: Experience) -> Config:
    """The candidate that, together with those chosen already, would have served the past sweeps best.

    Greedy cover of tasks by configurations (Wistuba et al. 2015, "Sequential model-free hyperparameter tuning").
    """
    value = np.max([past.judge([*candidates, *chosen], part) for part in _PORTFOLIO_FRACTIONS], axis=0)
    offered, have = value[:, : len(candidates)], value[:, len(candidates) :]
    covered = have.max(axis=1, keepdims=True) if len(chosen) else np.full((len(value), 1), -np.inf)
    return candidates[int(np.argmax(past.weights @ np.maximum(offered, covered)))]


def expected_improvement(prediction: Prediction, best: float, mode: Mode) -> FloatArray:
    """E[max(score - best, 0)], shape ``(n,)``, in the metric's unit and counted towards better."""
    gain = mode.sign * (prediction.mean - best)
    std = np.maximum(prediction.std, 1e-300)
    z = gain / std
    density = np.exp(-0.5 * np.square(z)) / math.sqrt(2.0 * math.pi)
    normal = NormalDist()
    return gain * np.array([normal.cdf(value) for value in z]) + std * density
