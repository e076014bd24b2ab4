"""A sweep as an importer found it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from metahp.space import SearchSpace
from metahp.store.codec import EXACT_IN_FLOAT64, as_number
from metahp.types import Mode, TrialStatus


@dataclass(frozen=True, slots=True)
class FoundSweep:
    """What `Store.import_sweep` wants to know, and what was left behind.

    Attributes:
        name: for people; part of the sweep's identity.
        metric: what the curves are values of.
        mode: whether it is minimised or maximised.
        trials: as `Store.import_sweep` takes them.
        space: the search space, or None where it has to be inferred.
        max_step: steps of a full training, or None.
        unplaced: what belongs to no trial, as reasons with their counts.
    """

    name: str
    metric: str
    mode: Mode
    trials: Sequence[Mapping[str, Any]]
    space: SearchSpace | None = None
    max_step: int | None = None
    unplaced: Mapping[str, int] = field(default_factory=dict)


def longest(curves: Iterable[Sequence[tuple[Any, ...]]]) -> int | None:
    """The greatest step of any curve: what a full training takes, as far as anyone can tell."""
    steps = (as_number(point[0]) for curve in curves for point in curve)
    return max((int(step) for step in steps if step is not None and 1 <= step <= EXACT_IN_FLOAT64), default=None)


def end_of(last_step: int, max_step: int | None) -> TrialStatus:
    """How a trial ended of which it is only known that it did: one that stops before the longest was stopped."""
    return TrialStatus.STOPPED if max_step is not None and last_step < max_step else TrialStatus.COMPLETED
