"""The tail of a sweep's scores, continued."""

import math
from dataclasses import replace
from typing import Self

import numpy as np
import pytest

from metahp.extremes import FEWEST, best_to_come
from metahp.space import Float, SearchSpace
from metahp.types import FloatArray, LearningCurve, Mode, Sweep, SweepHistory, Trial, TrialStatus

QUANTILES = np.array([0.1, 0.5, 0.9])


def sweep_of(scores: object, mode: Mode = Mode.MAX) -> SweepHistory:
    trials = tuple(
        Trial(f"{n}", {"x": 0.5}, LearningCurve.of([(1, float(score), 1.0)]), TrialStatus.COMPLETED)
        for n, score in enumerate(np.asarray(scores))
    )
    return SweepHistory(Sweep("s", SearchSpace({"x": Float(0, 1)}), "m", mode, 1), trials)


@pytest.mark.parametrize("mode", list(Mode))
def test_the_band_holds_what_comes(mode: Mode) -> None:
    inside = []
    for seed in range(60):
        scores = np.random.default_rng(seed).exponential(size=40) * mode.sign
        band = best_to_come(sweep_of(scores[:20], mode), 20, QUANTILES)
        assert band is not None
        low, high = sorted(band[[0, 2]])
        inside.append(low <= mode.sign * (mode.sign * scores).max() <= high)
    assert 0.7 <= np.mean(inside) <= 0.95  # exponential tails are what it assumes: 80 %


class Sure:
    """A predictor that knows what running trials come to."""

    def __init__(self, value: float) -> None:
        self._value = value

    def condition(self, sweep: Sweep, trials: object) -> Self:
        return self

    def draw(self, trials: list[Trial], steps: list[int], count: int, rng: np.random.Generator) -> FloatArray:
        return np.full((count, len(trials)), self._value)


@pytest.mark.parametrize(("value", "best"), [(0.9, 0.9), (0.2, 0.7)])
def test_what_is_under_way_may_be_the_best(value: float, best: float) -> None:
    over = sweep_of(np.linspace(0.0, 0.7, 12))
    begun = replace(over.trials[0], status=TrialStatus.RUNNING)
    history = replace(over, trials=(begun, *over.trials[1:]))
    said = best_to_come(history, 0, QUANTILES, Sure(value))  # type: ignore[arg-type]
    assert said == pytest.approx([best] * 3)


def test_the_best_of_today_stays_it_as_often_as_by_chance() -> None:
    band = best_to_come(sweep_of(np.linspace(0.0, 0.7, 12)), 4, np.array([0.7, 0.8]))
    assert band is not None
    assert band[0] == pytest.approx(0.7)  # 4 of 16 trials are to come
    assert band[1] > 0.7


def test_nothing_to_come_is_the_best_of_today() -> None:
    scores = np.linspace(0.0, 0.7, 12)
    band = best_to_come(sweep_of(scores), 0, QUANTILES)
    assert band == pytest.approx([0.7] * 3)
    further = best_to_come(sweep_of(scores), 12, QUANTILES)
    assert further is not None
    assert 0.7 <= further[0] <= further[1] <= further[2] <= 1.0  # scores that never left 0 to 1 are shares


def test_a_loss_does_not_fall_below_nothing() -> None:
    band = best_to_come(sweep_of([0.05, 0.5, 0.6, 0.7, 0.9, 1.0, 1.5, 2.0], Mode.MIN), 50, QUANTILES)
    assert band is not None
    assert 0.05 >= band[0] >= band[1] >= band[2] >= 0.0


def test_too_few_scores_say_nothing() -> None:
    assert best_to_come(sweep_of([0.1] * (FEWEST - 1) + [math.nan]), 5, QUANTILES) is None
    assert best_to_come(sweep_of([0.1] * FEWEST), 5, QUANTILES) == pytest.approx([0.1] * 3)
