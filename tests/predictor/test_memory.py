"""What is remembered of configurations: each is worked out once, and what is asked for again stays."""

import numpy as np
import pytest

from metahp.features import Points, encode
from metahp.space import Float, SearchSpace
from metahp.surrogate.memory import CachedBelief

LINE = SearchSpace({"x": Float(0.0, 1.0)})


class Counting:
    """A belief that notes which configurations it was asked about."""

    spread = None

    def __init__(self) -> None:
        self.asked: list[float] = []

    def lengths(self, points: Points) -> np.ndarray:
        return np.ones(1)

    def tables(self, points: Points) -> np.ndarray:
        self.asked += points.units[:, 0].tolist()
        return np.tile(points.units[:, :1, None], (1, 2, 3))


def at(*places: float) -> Points:
    return encode(LINE, [{"x": place} for place in places])


def test_tables_are_computed_once_and_in_order() -> None:
    belief = Counting()
    cached = CachedBelief(belief)
    np.testing.assert_array_equal(cached.tables(at(0.5, 0.25))[:, 0, 0], [0.5, 0.25])
    np.testing.assert_array_equal(cached.tables(at(0.25, 0.75, 0.5))[:, 0, 0], [0.25, 0.75, 0.5])
    assert belief.asked == [0.5, 0.25, 0.75]
    assert cached.tables(at()).shape == (0, 2, 3)


def test_many_candidates_do_not_push_out_the_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Candidates are asked about once, trials ever again; neither makes the memory grow without end."""
    monkeypatch.setattr("metahp.surrogate.memory._MOST_CACHED", 50)
    belief, trials, rng = Counting(), at(0.5, 0.25), np.random.default_rng(0)
    cached = CachedBelief(belief)
    for _ in range(20):
        cached.tables(at(*rng.uniform(size=30)))
        cached.tables(trials)
    assert belief.asked.count(0.5) == belief.asked.count(0.25) == 1
    assert len(cached._known) + len(cached._older) < 200
