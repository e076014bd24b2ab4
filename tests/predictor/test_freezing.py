"""Who makes room for whom: decided from what trials promise for each further step."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from metahp import freezing
from metahp.policy import Policy
from metahp.space import Float, SearchSpace
from metahp.types import (
    Action,
    Decision,
    Forecast,
    LearningCurve,
    Mode,
    Sweep,
    Trial,
    TrialStatus,
)

SWEEP = Sweep("s", SearchSpace({"x": Float(0.0, 1.0)}), "score", Mode.MAX, max_step=10)
GOES_ON = Decision(Action.CONTINUE, "chance to beat 0.9 is 20%", probability=0.2, threshold=0.1)


Decide = Callable[..., Action]
Make = Callable[[], Policy]


def trial(name: str, x: float, step: int, status: TrialStatus = TrialStatus.RUNNING, value: float = 0.5) -> Trial:
    return Trial(name, {"x": x}, LearningCurve.of([(s, value) for s in range(1, step + 1)]), status)


BEST = trial("best", 0.9, 10, TrialStatus.COMPLETED, value=0.9)
OWN = trial("own", 0.8, 2)


@pytest.fixture
def decide(knowing: Make) -> Decide:
    """What becomes of a trial beside others."""

    def decided(*others: Trial, decision: Decision = GOES_ON, newest: Forecast | None = None) -> Action:
        return freezing.decide(knowing(), SWEEP, [BEST, OWN, *others], OWN, decision, newest).action

    return decided


def test_a_trial_makes_room_for_one_that_promises_twice_as_much_for_each_step(decide: Decide) -> None:
    assert decide() is Action.CONTINUE
    assert decide(newest=Forecast(10, 0.9, 0.1)) is Action.PAUSE  # .5 in 10 steps against .2 in 8
    assert decide(newest=Forecast(10, 0.82, 0.1)) is Action.CONTINUE  # .2 in 10
    assert decide(trial("likely", 0.95, 8, TrialStatus.PAUSED)) is Action.PAUSE  # .7 in 2 steps
    assert decide(trial("unlikely", 0.75, 8, TrialStatus.PAUSED)) is Action.CONTINUE  # .07 in 2
    assert decide(trial("running", 0.95, 8)) is Action.CONTINUE  # it has a worker


def test_none_makes_room_where_the_other_ones_start_takes_as_long_as_its_training(knowing: Make) -> None:
    def decided(start_s: float) -> Action:
        timed = LearningCurve.of([(step, 0.9, start_s + step) for step in range(1, 11)])
        trials = [replace(BEST, curve=timed), OWN]
        return freezing.decide(knowing(), SWEEP, trials, OWN, GOES_ON, Forecast(10, 0.9, 0.1)).action

    assert decided(0.0) is Action.PAUSE  # .5 in 10 steps against .2 in 8
    assert decided(10.0) is Action.CONTINUE  # in 20


@pytest.mark.parametrize(
    "decision",
    [
        replace(GOES_ON, probability=0.6),
        replace(GOES_ON, action=Action.STOP),
        replace(GOES_ON, action=Action.STOP, carried_out=False),
        Decision(Action.CONTINUE, "between two checkpoints"),
    ],
)
def test_other_decisions_stand(decide: Decide, decision: Decision) -> None:
    assert decide(decision=decision, newest=Forecast(10, 1.5, 0.1)) is decision.action


def test_the_most_promising_paused_trial_goes_on_unless_a_new_one_promises_more(knowing: Make) -> None:
    policy = knowing()
    paused = [trial(name, x, 5, TrialStatus.PAUSED) for name, x in (("a", 0.7), ("b", 0.9), ("c", 0.8))]

    def chosen(newest: Forecast | None) -> str | None:
        found = freezing.next_up(policy, SWEEP, [BEST, OWN, *paused], newest)
        return found and found.trial_id

    assert chosen(None) == "b"
    assert chosen(Forecast(10, 0.9, 0.1)) == "b"  # as likely, but twice as far
    assert freezing.next_up(policy, SWEEP, [BEST, OWN], None) is None


def test_a_hopeless_paused_trial_gives_way_to_a_new_one_and_still_goes_on_at_the_end(knowing: Make) -> None:
    policy, hopeless = knowing(), trial("a", 0.1, 5, TrialStatus.PAUSED)
    assert freezing.next_up(policy, SWEEP, [BEST, hopeless], Forecast(10, 0.9, 0.1)) is None
    assert freezing.next_up(policy, SWEEP, [BEST, hopeless], None) == hopeless
