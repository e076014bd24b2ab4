"""Whether a sweep is worth going on with, and whether its best configurations want a wider space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from metahp.candidates import leading
from metahp.domains import Float, Int
from metahp.features import encode
from metahp.outlook import Outlook
from metahp.types import Sweep, Trial

_EDGE = 0.05  # of a range
_ENOUGH = 3  # of the five best: by chance, with a tenth of the range at its edges, once in a hundred sweeps
_WORTH = 0.01  # of what the sweep has gained over a usual start


class Advice(StrEnum):
    """What to do with a sweep."""

    STOP = "stop"
    CONTINUE = "continue"
    WIDEN = "widen the space"


@dataclass(frozen=True, slots=True)
class Edge:
    """A bound that the best configurations press against.

    Attributes:
        name: of the hyperparameter.
        bound: where its range ends.
        suggested: where it might end: a quarter of the range further, by ratio where the range is logarithmic.
        leaders: how many of the five best lie there.
    """

    name: str
    bound: float
    suggested: float
    leaders: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do, and why.

    Attributes:
        advice: see `Advice`.
        gain: expected improvement of the best score by the trials that were looked at, in the metric's unit.
        worth: the improvement from which on it is worth it.
        edges: bounds that the best press against.
    """

    advice: Advice
    gain: float
    worth: float
    edges: tuple[Edge, ...]


def verdict(ahead: Outlook, trials: Sequence[Trial]) -> Verdict:
    """Stop, go on, or widen the space.

    Args:
        ahead: what further trials will cost and find.
        trials: all trials of the sweep so far.
    """
    gain, edges = float(ahead.gains()[1][-1]), pressed(ahead.sweep, trials)
    worth = _WORTH * _range_so_far(ahead.sweep, trials)
    advice = Advice.WIDEN if edges else Advice.CONTINUE if not math.isfinite(worth) or gain > worth else Advice.STOP
    return Verdict(advice, gain, worth, edges)


def pressed(sweep: Sweep, trials: Sequence[Trial]) -> tuple[Edge, ...]:
    """The bounds of numbers near which most of the five best configurations lie."""
    best = encode(sweep.space, [trials[place].config for place in leading(trials, sweep.mode)])
    found = []
    for column, parameter in enumerate(sweep.space.parameters):
        units, domain = best.units[best.active[:, column], column], parameter.domain
        if not isinstance(domain, Float | Int):
            continue
        for bound, there in ((domain.lower, units <= _EDGE), (domain.upper, units >= 1.0 - _EDGE)):
            if (count := int(np.sum(there))) >= _ENOUGH:
                found.append(Edge(parameter.name, float(bound), _further(domain, bound == domain.upper), count))
    return tuple(found)


def _further(domain: Float | Int, up: bool) -> float:
    low, high = float(domain.lower), float(domain.upper)
    if domain.log:
        ratio = (high / low) ** 0.25
        return high * ratio if up else low / ratio
    return high + (high - low) / 4 if up else low - (high - low) / 4


def _range_so_far(sweep: Sweep, trials: Sequence[Trial]) -> float:
    """From a usual first score to the best one, NaN where there is none."""
    firsts = [trial.curve.values[0] for trial in trials if len(trial.curve) and math.isfinite(trial.curve.values[0])]
    best = [score for trial in trials if (score := trial.curve.best(sweep.mode)) is not None]
    if not firsts:
        return math.nan
    return float(abs(max(best, key=lambda score: sweep.mode.sign * score) - np.median(firsts)))
