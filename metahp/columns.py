"""What domains do to one number, done to whole columns: several hundred candidates are moved between spaces at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metahp.domains import Categorical, Domain, Float, Int, log_edges


def settled(domain: Domain, places: NDArray[np.float64]) -> tuple[list[Any], NDArray[np.float64]]:
    """The legal values at places ``(n,)`` of the unit interval, and where just these lie, shape ``(n,)``.

    As by ``domain.from_unit`` and ``domain.to_unit``, but for the rounding of real numbers.
    """
    if isinstance(domain, Categorical):
        count = len(domain.choices)
        bins = _bins(places, count)
        return [domain.choices[bin_] for bin_ in bins.astype(np.int64).tolist()], (bins + 0.5) / count
    numbers = numbers_at(domain, places)
    different, back = np.unique(numbers, return_inverse=True)
    values = numbers.astype(np.int64) if isinstance(domain, Int) else numbers
    return values.tolist(), _units_within(domain, different)[back]


def numbers_at(domain: Float | Int, units: NDArray[np.float64]) -> NDArray[np.float64]:
    """The legal numbers ``(n,)`` at places of the unit interval, as by ``domain.from_unit``."""
    if isinstance(domain, Float) and domain.step is None:
        low, high = _ends(domain)
        places = low + units * (high - low)
        return np.clip(np.exp(places) if domain.log else places, domain.lower, domain.upper)
    if isinstance(domain, Int):
        return domain.lower + domain.step * _indices_at(domain, units)
    different, back = np.unique(units, return_inverse=True)
    return np.array([float(domain.from_unit(unit)) for unit in different.tolist()])[back]


def _indices_at(domain: Int, units: NDArray[np.float64]) -> NDArray[np.float64]:
    count = domain.count()
    if not domain.log:
        return _bins(units, count)
    low, high = log_edges(count, domain.lower, domain.step)
    return np.clip(np.rint((np.exp(low + units * (high - low)) - domain.lower) / domain.step), 0, count - 1)


def _bins(units: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    return np.clip(np.floor(units * count), 0, count - 1)


def stretched_units(domain: Float | Int, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where numbers ``(n,)`` lie, as by ``domain.to_unit``, but beyond ``[0, 1]`` too: half a range at most.

    NaN stays NaN.
    """
    within = np.clip(numbers, domain.lower, domain.upper)
    different, back = np.unique(within[~np.isnan(within)], return_inverse=True)
    units = np.full(len(numbers), math.nan)
    units[~np.isnan(within)] = _units_within(domain, different)[back]
    if domain.lower == domain.upper:
        return units
    low, high = _ends(domain)
    beyond = (np.log(np.maximum(numbers, 1e-300)) if domain.log else numbers) - low
    outside = (numbers < domain.lower) | (numbers > domain.upper)
    return np.where(outside, np.clip(beyond / (high - low), -0.5, 1.5), units)


def _units_within(domain: Float | Int, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    if isinstance(domain, Float) and domain.step is None and domain.lower < domain.upper:
        low, high = _ends(domain)
        return ((np.log(numbers) if domain.log else numbers) - low) / (high - low)
    return np.array([domain.to_unit(number) for number in numbers.tolist()])


def _ends(domain: Float | Int) -> tuple[float, float]:
    low, high = float(domain.lower), float(domain.upper)
    return (math.log(low), math.log(high)) if domain.log else (low, high)
