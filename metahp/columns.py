"""What domains do to one number, done to whole columns: several hundred candidates are moved between spaces at once."""

from __future__ import annotations

import math

import numpy as np

from metahp.domains import Float, Int
from metahp.types import FloatArray


def numbers_at(domain: Float | Int, units: FloatArray) -> FloatArray:
    """The legal numbers ``(n,)`` at places of the unit interval, as by ``domain.from_unit``."""
    if isinstance(domain, Float) and domain.step is None:
        low, high = _ends(domain)
        places = low + units * (high - low)
        return np.clip(np.exp(places) if domain.log else places, domain.lower, domain.upper)
    different, back = np.unique(units, return_inverse=True)  # of whole numbers there are few
    return np.array([float(domain.from_unit(unit)) for unit in different.tolist()])[back]


def stretched_units(domain: Float | Int, numbers: FloatArray) -> FloatArray:
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


def _units_within(domain: Float | Int, numbers: FloatArray) -> FloatArray:
    if isinstance(domain, Float) and domain.step is None and domain.lower < domain.upper:
        low, high = _ends(domain)
        return ((np.log(numbers) if domain.log else numbers) - low) / (high - low)
    return np.array([domain.to_unit(number) for number in numbers.tolist()])


def _ends(domain: Float | Int) -> tuple[float, float]:
    low, high = float(domain.lower), float(domain.upper)
    return (math.log(low), math.log(high)) if domain.log else (low, high)
