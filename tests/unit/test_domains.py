"""Domains: everything decoded is legal, every legal value is reachable, round trips are exact."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metahp.domains import Categorical, Float, Int, Ordinal
from metahp.errors import SearchSpaceError

units = st.floats(0.0, 1.0)


@st.composite
def ints(draw):
    log = draw(st.booleans())
    lower = draw(st.integers(1 if log else -(2**20), 2**20))
    step = draw(st.integers(1, 50))
    return Int(lower, lower + step * draw(st.integers(0, 2**16)), log=log, step=step)


@st.composite
def floats(draw):
    log = draw(st.booleans())
    lower = draw(st.floats(1e-9, 1e3) if log else st.floats(-1e6, 1e6))
    width = draw(st.floats(0.0, 1e6))
    return Float(lower, lower + width, log=log)


@st.composite
def quantised(draw):
    log, step = draw(st.booleans()), draw(st.sampled_from([0.1, 0.25, 1e-3, 0.5, 3.0]))
    first = draw(st.integers(1 if log else -100, 100))
    return Float(first * step, (first + draw(st.integers(0, 500))) * step, log=log, step=step)


plain = st.one_of(
    st.text(max_size=5),
    st.integers(-5, 5),
    st.booleans(),
    st.none(),
    st.floats(-2, 2),
    st.lists(st.integers(0, 3), max_size=2),
)
choices = st.lists(plain, min_size=1, max_size=6, unique_by=lambda v: (type(v).__name__, repr(v)))
domains = st.one_of(
    ints(),
    floats(),
    quantised(),
    choices.map(lambda c: Categorical(tuple(c))),
    choices.map(lambda c: Ordinal(tuple(c))),
)


@given(domains, units)
def test_everything_decoded_is_legal(domain, unit):
    assert domain.contains(domain.from_unit(unit))


@given(domains, units)
def test_a_value_survives_the_round_trip(domain, unit):
    value = domain.from_unit(unit)
    again = domain.from_unit(domain.to_unit(value))
    if isinstance(domain, Float) and domain.step is None:
        assert math.isclose(again, value, rel_tol=1e-9, abs_tol=1e-9 * (abs(domain.lower) + abs(domain.upper)))
    else:
        assert type(again) is type(value)
        assert again == value


@given(st.one_of(ints(), quantised()), st.randoms(use_true_random=False))
def test_every_legal_value_is_reachable(domain, random):
    step = domain.step or 1
    index = random.randint(0, round((domain.upper - domain.lower) / step))
    value = domain.lower + index * step
    assert math.isclose(domain.from_unit(domain.to_unit(value)), value, rel_tol=1e-9, abs_tol=1e-9)


@pytest.mark.parametrize("domain", [Int(1, 2**40, log=True), Int(-(2**40), 2**40), Int(1, 1)])
def test_the_ends_of_large_ranges_are_reachable(domain):
    for value in (domain.lower, domain.lower + domain.step * (domain.upper > domain.lower), domain.upper):
        assert domain.from_unit(domain.to_unit(value)) == value


def test_all_values_of_a_small_log_range_come_up_about_log_evenly():
    drawn = [Int(1, 8, log=True).from_unit(unit) for unit in np.linspace(0, 1, 4001)]
    assert set(drawn) == set(range(1, 9))
    assert drawn.count(1) > 3 * drawn.count(8)


def test_quantised_floats_are_the_very_numbers_that_ray_tune_draws():
    assert {Float(0.1, 0.9, step=0.1).from_unit(unit) for unit in np.linspace(0, 1, 100)} == {
        k * 0.1 for k in range(1, 9)
    } | {0.9}


def test_equal_looking_choices_are_told_apart_by_type():
    domain = Categorical((1, True, 1.0, "1"))
    assert [domain.index(value) for value in (1, True, 1.0, "1")] == [0, 1, 2, 3]


def test_a_number_that_json_changed_is_still_found():
    assert Categorical((0.5, 1.0)).index(1) == 1
    assert Int(1, 5).contains(3.0)
    assert Int(1, 5).contains(np.int64(3))
    assert not Int(0, 5).contains(True)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Float(0, 1, log=True), r"lower > 0, got lower=0\.0; pass the untransformed bound"),
        (lambda: Int(0, 9, log=True), "lower > 0, got lower=0"),
        (lambda: Float(2, 1), r"lower <= upper, got \[2\.0, 1\.0\]; swap them"),
        (lambda: Float(math.nan, 1), "finite number, got nan"),
        (lambda: Float("1", 2), "finite number, got '1'"),
        (lambda: Float(0, 1, step=0.3), r"upper = lower \+ k \* step, got \[0\.0, 1\.0\] by 0\.3; try upper=0\.9"),
        (lambda: Float(0, 1, step=-1), "must be positive, got -1"),
        (lambda: Int(1, 10, step=2), "try upper=9"),
        (lambda: Int(0.5, 2), r"whole number, got 0\.5; use Float"),
        (lambda: Int(True, 2), "whole number, got True"),
        (lambda: Int(0, 2**50), r"beyond ±2\*\*40"),
        (lambda: Categorical(()), "at least one choice, got none"),
        (lambda: Categorical("abc"), "needs a list of choices, got 'abc'"),
        (lambda: Categorical(("a", "a")), "offers 'a' twice"),
        (lambda: Categorical((object(),)), "cannot record the choice .* look the object up in the training function"),
        (lambda: Categorical(("a",)).index("b"), r"'b' is none of the choices \['a'\]"),
    ],
)
def test_bad_domains_are_refused_in_a_sentence(make, message):
    with pytest.raises(SearchSpaceError, match=message):
        make()
