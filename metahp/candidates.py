"""Which configurations to choose from, and how good they promise to be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from metahp.domains import Categorical
from metahp.features import Points
from metahp.predictor import Experience
from metahp.space import SearchSpace
from metahp.types import FloatArray, Mode, Prediction, Trial

RANDOM = 200
NEIGHBOURS = 16
_LEADERS = 5
_FROM_THE_PAST = 60
_DIGITS = 12  # configurations that differ by rounding are the same one
STEP = 0.1  # of a range: how far neighbours lie
_PORTFOLIO_FRACTIONS = (0.125, 0.25)  # of a full training: where pruned histories still know something


def places(points: Points) -> set[bytes]:
    """Where in the unit cube configurations lie, to tell them apart by."""
    return set(_places(points))


def _places(points: Points) -> list[bytes]:
    return [unit.tobytes() for unit in points.units.round(_DIGITS)]


def untried(points: Points, tried: set[bytes]) -> Points:
    """The configurations that differ from each other and lie at none of these `places`, in their order.

    Their own places are added to ``tried``.
    """
    fresh = []
    for row, place in enumerate(_places(points)):
        if place not in tried:
            tried.add(place)
            fresh.append(row)
    return points[np.array(fresh, np.int64)]


def random_points(space: SearchSpace, count: int, rng: np.random.Generator) -> Points:
    """Configurations drawn evenly from the unit cube."""
    return Points.landed(space, rng.random((count, space.dimension)))


def neighbours(leaders: Points, rng: np.random.Generator, step: float = STEP) -> Points:
    """Configurations near each leader: about half of the columns moved, choices drawn anew now and then.

    Args:
        leaders: to look around.
        rng: draws them.
        step: standard deviation of what a column is moved by, as a share of its range.
    """
    space = leaders.space
    choice = np.array([isinstance(parameter.domain, Categorical) for parameter in space.parameters], bool)
    found: list[FloatArray] = []
    for unit in leaders.units:
        shape = (NEIGHBOURS, space.dimension)
        moved = rng.random(shape) < 0.5
        place = unit + moved * rng.normal(0.0, step, shape)
        redrawn = choice & (rng.random(shape) < 1.0 / max(space.dimension, 2))
        found.append(np.where(choice, np.where(redrawn, rng.random(shape), unit), place))
    return Points.landed(space, np.concatenate([*found, np.zeros((0, space.dimension))]))


def proposals(tried: Points, leaders: Points, past: Experience | None, rng: np.random.Generator) -> Points:
    """What to choose from: the best of the past, random ones, neighbours of this sweep's best; none tried before."""
    known = [past.best()[:_FROM_THE_PAST]] if past else []
    near = neighbours(leaders, rng)
    return untried(Points.joined([*known, random_points(tried.space, RANDOM, rng), near]), places(tried))


def best_of(past: Experience, tried: set[bytes]) -> Points:
    """The best of the past that lie at none of the `places` tried in this sweep."""
    return untried(past.best()[:_FROM_THE_PAST], tried)


def leading(trials: Sequence[Trial], mode: Mode) -> list[int]:
    """Places of the best few trials, best first."""
    scores = [trial.curve.best(mode) for trial in trials]
    told = [(mode.sign * score, place) for place, score in enumerate(scores) if score is not None]
    return [place for _, place in sorted(told, key=lambda pair: -pair[0])[:_LEADERS]]


def portfolio(candidates: Points, chosen: Points, past: Experience, count: int) -> list[int]:
    """Which candidates, one after the other and together with those chosen already, would have served the past best.

    Greedy cover of tasks by configurations (Wistuba et al. 2015, "Sequential model-free hyperparameter tuning").

    Returns:
        Rows of the candidates, ``count`` of them or all there are.
    """
    both = Points.joined([candidates, chosen])
    value = np.max([past.judge(both, part) for part in _PORTFOLIO_FRACTIONS], axis=0)
    offered, have = value[:, : len(candidates)], value[:, len(candidates) :]
    covered = have.max(axis=1, keepdims=True, initial=-np.inf)
    rows: list[int] = []
    while len(rows) < min(count, len(candidates)):
        served = past.weights @ np.maximum(offered, covered)
        served[rows] = -np.inf
        rows.append(int(np.argmax(served)))
        covered = np.maximum(covered, offered[:, rows[-1:]])
    return rows


def expected_improvement(prediction: Prediction, best: float, mode: Mode) -> FloatArray:
    """E[max(score - best, 0)], shape ``(n,)``, in the metric's unit and counted towards better."""
    gain = mode.sign * (prediction.mean - best)
    std = np.maximum(prediction.std, 1e-300)
    z = gain / std
    density = np.exp(-0.5 * np.square(z)) / math.sqrt(2.0 * math.pi)
    normal = NormalDist()
    return gain * np.array([normal.cdf(value) for value in z]) + std * density
