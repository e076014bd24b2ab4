"""How much each past sweep counts for a new one, by what users have written about their tasks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from metahp.types import FloatArray, TaskValue

_APART = 0.2  # mean difference of two descriptions at which one counts e times less
_AT_LEAST = 0.2  # of the weight is spread evenly: a description is no proof
_USUAL_NAMES = {"inputs": "input_size", "features": "input_size", "samples": "examples", "num_classes": "classes"}


def kinship(
    task: Mapping[str, TaskValue], past: Sequence[Mapping[str, TaskValue]], standing: FloatArray | None = None
) -> FloatArray:
    """Weights of past tasks, shape ``(T,)``, adding up to 1; their standing where the descriptions do not compare.

    Words differ or not; numbers are compared on a logarithmic scale, in units of what is usual among the tasks. A name
    that only one of two descriptions has counts half, and one that no past description has does not count.

    Args:
        task: the description of the new one.
        past: those of T past ones.
        standing: shape ``(T,)``: how much each of them counts before they are compared; None for all alike.
    """
    told = [_in_usual_names(other) for other in past]
    names = {name for other in told for name in other}
    own = {name: value for name, value in _in_usual_names(task).items() if name in names}
    usual = _usual_differences([own, *told])
    apart = np.array([_apart(own, other, usual) for other in told])
    before = np.ones(len(past)) if standing is None else standing
    weights = before * np.exp(-apart / _APART)
    found: FloatArray = _AT_LEAST * before / before.sum() + (1.0 - _AT_LEAST) * weights / weights.sum()
    return found


def _in_usual_names(task: Mapping[str, TaskValue]) -> dict[str, TaskValue]:
    """As `metahp.describe` calls things."""
    return {_USUAL_NAMES.get(name, name): value for name, value in task.items()}


def _apart(own: Mapping[str, TaskValue], other: Mapping[str, TaskValue], usual: Mapping[str, float]) -> float:
    """Mean difference of two descriptions over the names that either has, from 0 to 1."""
    names = own.keys() | other.keys()
    if not names:
        return 0.0
    differences = [_difference(own[n], other[n], usual.get(n, 0.0)) if n in own and n in other else 0.5 for n in names]
    return sum(differences) / len(differences)


def _difference(own: TaskValue, other: TaskValue, usual: float) -> float:
    if _is_number(own) and _is_number(other):
        gap = abs(_on_scale(own) - _on_scale(other))
        return min(gap / (2.0 * usual), 1.0) if usual else float(gap > 0)
    return float(own != other)


def _usual_differences(tasks: Sequence[Mapping[str, TaskValue]]) -> dict[str, float]:
    """The standard deviation of every number that the tasks are described by, on its scale."""
    told: dict[str, list[float]] = {}
    for task in tasks:
        for name, value in task.items():
            if _is_number(value):
                told.setdefault(name, []).append(_on_scale(value))
    return {name: float(np.std(values)) for name, values in told.items()}


def _is_number(value: TaskValue) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _on_scale(value: TaskValue) -> float:
    """Logarithmic for large numbers of either sign, linear about 0."""
    return math.asinh(float(value))
