"""Whole columns of numbers: as the domains do it one by one, and beyond their bounds."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metahp.columns import numbers_at, stretched_units
from metahp.domains import Float, Int

DOMAINS = [
    Float(-2.0, 3.0),
    Float(1e-5, 1e-1, log=True),
    Float(0.0, 1.0, step=0.25),
    Float(0.5, 8.0, log=True, step=0.5),
    Float(2.0, 2.0),
    Int(-3, 9),
    Int(1, 1024, log=True),
    Int(16, 256, log=True, step=16),
    Int(7, 7),
]


@pytest.mark.parametrize("domain", DOMAINS, ids=repr)
@given(units=st.lists(st.floats(0.0, 1.0), max_size=20))
def test_numbers_are_those_of_the_domain(domain: Float | Int, units: list[float]) -> None:
    expected = [float(domain.from_unit(unit)) for unit in units]
    assert numbers_at(domain, np.array(units)).tolist() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("domain", DOMAINS, ids=repr)
@given(units=st.lists(st.floats(0.0, 1.0), max_size=20))
def test_places_within_the_bounds_are_those_of_the_domain(domain: Float | Int, units: list[float]) -> None:
    numbers = np.array([float(domain.from_unit(unit)) for unit in units])
    expected = [domain.to_unit(number) for number in numbers.tolist()]
    assert stretched_units(domain, numbers).tolist() == pytest.approx(expected, abs=1e-9)


def test_numbers_beyond_the_bounds_keep_their_distance_up_to_half_a_range() -> None:
    linear, log = Float(0.0, 10.0), Float(1e-4, 1e-2, log=True)
    assert stretched_units(linear, np.array([-2.0, 12.0, -90.0, 90.0])).tolist() == [-0.2, 1.2, -0.5, 1.5]
    assert stretched_units(log, np.array([1e-5 * 10**0.5, 0.0, -1.0, 1.0])) == pytest.approx([-0.25, -0.5, -0.5, 1.5])
    assert stretched_units(Float(2.0, 2.0), np.array([1.0, 3.0])).tolist() == [0.5, 0.5]


def test_what_is_unknown_stays_unknown() -> None:
    units = stretched_units(Int(1, 9), np.array([math.nan, 5.0]))
    assert math.isnan(units[0])
    assert units[1] == 0.5
