import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from metahp.store.curves import effective
from metahp.types import Measurement

ATTEMPTS = st.dictionaries(
    st.integers(1, 6), st.dictionaries(st.integers(1, 12), st.floats(0, 1), max_size=8), max_size=5
)


def curve(*attempts):
    """The effective steps of attempts, each given by its steps, with the attempt that each comes from."""
    points = {a: {s: Measurement(s, float(a)) for s in given} for a, given in enumerate(attempts, start=1)}
    return [(m.step, int(m.value)) for m in effective(points)]


def test_a_crash_with_a_checkpoint_keeps_what_was_before_it():
    assert curve([1, 2, 3, 4], [4, 5, 6]) == [(1, 1), (2, 1), (3, 1), (4, 2), (5, 2), (6, 2)]


def test_a_restart_from_nothing_hides_everything():
    assert curve([1, 2, 3, 4], [1, 2]) == [(1, 2), (2, 2)]


def test_a_pause_hides_nothing():
    assert curve([1, 2], [3, 4]) == [(1, 1), (2, 1), (3, 2), (4, 2)]


def test_an_attempt_without_reports_hides_nothing():
    assert curve([1, 2], []) == [(1, 1), (2, 1)]


def test_a_later_attempt_that_skips_back_hides_the_tail_of_all_before():
    assert curve([1, 2, 3], [4, 5], [2]) == [(1, 1), (2, 3)]


@given(ATTEMPTS)
def test_it_is_the_rule_word_for_word(values):
    attempts = {a: {s: Measurement(s, v) for s, v in points.items()} for a, points in values.items()}
    expected = [
        attempts[a][s]
        for a, s in itertools.chain.from_iterable(((a, s) for s in attempts[a]) for a in attempts)
        if not any(min(attempts[later], default=math.inf) <= s for later in attempts if later > a)
    ]
    assert list(effective(attempts)) == sorted(expected, key=lambda m: m.step)
