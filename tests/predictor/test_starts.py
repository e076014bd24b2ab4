"""Where starts are dear, fewer trials are stopped; where they cost nothing, or nobody knows, all stays as it is."""

import math
from collections.abc import Callable, Sequence

import pytest

from metahp.policy import Policy
from metahp.space import Float, SearchSpace
from metahp.starts import steps_per_start
from metahp.types import Action, LearningCurve, Mode, Sweep, Trial, TrialStatus

LINE = SearchSpace({"x": Float(0.0, 1.5)})


def timed(seconds: Sequence[float], x: float = 0.5, steps: Sequence[int] | None = None, score: float = 0.5) -> Trial:
    """A trial that reported after so many seconds."""
    points = [(step, score, s) for step, s in zip(steps or range(1, len(seconds) + 1), seconds, strict=True)]
    return Trial(f"t{x}", {"x": x}, LearningCurve.of(points), TrialStatus.STOPPED)


def test_a_start_is_what_training_does_not_explain() -> None:
    assert steps_per_start([timed([5.0, 6.0, 9.0])]) == pytest.approx(4.0)
    assert steps_per_start([timed([24.0, 34.0], steps=[20, 30])]) == 0.0  # 20 steps of 1 s, and 4 s
    assert steps_per_start([timed([60.0, 70.0], steps=[20, 30])]) == pytest.approx(40.0)


def test_the_usual_trial_counts_and_not_a_machine_that_was_busy_once() -> None:
    assert steps_per_start([timed([5.0, 6.0]), timed([7.0, 8.0]), timed([900.0, 900.1])]) == pytest.approx(6.0)
    assert steps_per_start([timed([3.0, 4.0])]) == 0.0  # a first epoch is often longer


@pytest.mark.parametrize(
    "trials",
    [
        [],
        [timed([])],
        [timed([5.0])],
        [timed([math.nan, math.nan])],
        [timed([math.inf, math.inf])],
        [timed([3.0, 3.0])],
        [timed([7.0, 2.0])],  # it was resumed, and its clock began anew
    ],
)
def test_nothing_is_made_of_times_that_say_nothing(trials: list[Trial]) -> None:
    assert steps_per_start(trials) == 0.0


def test_a_trial_is_spared_where_another_ones_start_costs_more_than_a_look(knowing: Callable[[], Policy]) -> None:
    """All are the same but for the clock and the age: a chance of some 3 % is too small where a start costs nothing."""
    sweep = Sweep("s", LINE, "score", Mode.MAX, 1000)

    def decided(start_s: float, steps: int = 1) -> tuple[Action, float]:
        best = timed([start_s + step for step in range(1, 1001)], x=0.9, score=0.7)
        own = timed([start_s + step for step in range(1, steps + 1)], x=0.51)
        decision = knowing().decide(sweep, [best, own], own)
        return decision.action, decision.threshold

    assert decided(0.0) == (Action.STOP, pytest.approx(0.2))
    assert decided(9.0) == (Action.CONTINUE, pytest.approx(0.02))
    assert decided(9.0, steps=20) == (Action.STOP, pytest.approx(0.2 / (1 + 9 / 5)))  # the next look is after 25
