"""Thresholds that keep their word: the arithmetic, and that it holds for evidence drawn at random."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metahp.certificate import STEPS, Evidence, certificate, evidence_of
from metahp.space import Float, SearchSpace
from metahp.types import Action, Decision, LearningCurve, MadeDecision, Mode, Sweep, SweepHistory, Trial, TrialStatus

CAREFUL = [Evidence(0.001, 0.2, won=False)]


def test_nothing_is_certified_by_nothing() -> None:
    found = certificate([], 0.05, 0.9)
    assert not found.is_certified
    assert found.threshold == pytest.approx(STEPS[0] * 0.05)
    assert "too little is known" in str(found)


def test_forty_five_without_a_winner_certify_five_percent() -> None:
    """0.95 ** 44 > 0.1 >= 0.95 ** 45."""
    assert not certificate(CAREFUL * 44, 0.05, 0.9).is_certified
    found = certificate(CAREFUL * 45, 0.05, 0.9)
    assert found.is_certified
    assert found.threshold == pytest.approx(STEPS[-1] * 0.05)
    assert (found.trials, found.winners) == (45, 0)


def test_nothing_is_certified_beyond_what_was_left_to_chance() -> None:
    found = certificate([Evidence(0.001, 0.1, won=False)] * 60, 0.05, 0.9)
    assert found.threshold == pytest.approx(0.1)


def test_the_boldest_threshold_that_holds_is_taken() -> None:
    winners = [Evidence(0.11, 0.2, won=True)] * 20
    found = certificate(CAREFUL * 60 + winners, 0.05, 0.9)
    assert found.threshold == pytest.approx(0.10)
    assert found.is_certified


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans())), st.floats(0.01, 0.5), st.floats(0.5, 0.99))
def test_any_evidence_gives_a_threshold_of_the_grid(
    drawn: list[tuple[float, bool]], allowed: float, confidence: float
) -> None:
    found = certificate([Evidence(chance, 1.0, won) for chance, won in drawn], allowed, confidence)
    assert found.threshold / allowed == pytest.approx(
        next(s for s in STEPS if math.isclose(s * allowed, found.threshold))
    )
    assert 0 <= found.winners <= found.trials <= len(drawn)


def test_the_promise_is_kept_in_nine_of_ten_stores() -> None:
    """Chances that are wrong by a factor: a trial that is given the chance p wins with 1.5 p."""
    rng = np.random.default_rng(0)
    broken = 0
    for _ in range(400):
        chances = rng.uniform(0.0, 0.2, 150)
        won = rng.random(150) < 1.5 * chances
        found = certificate([Evidence(c, 0.2, bool(w)) for c, w in zip(chances, won, strict=True)], 0.05, 0.9)
        true_share = 1.5 * found.threshold / 2  # of those with a uniform chance below the threshold
        broken += found.is_certified and true_share > 0.05
    assert broken <= 0.1 * 400


def stopped(trial_id: str, step: int, chance: float, *, carried_out: bool) -> MadeDecision:
    decision = Decision(Action.STOP, "", chance, 0.2, propensity=0.96, carried_out=carried_out)
    return MadeDecision(trial_id, step, decision)


def test_the_evidence_is_what_ran_on_by_its_lowest_chance() -> None:
    def trial(name: str, *values: float) -> Trial:
        return Trial(name, {"x": 0.5}, LearningCurve.of(list(enumerate(values, 1))), TrialStatus.COMPLETED)

    sweep = Sweep("s", SearchSpace({"x": Float(0.0, 1.0)}), "m", Mode.MAX, 3)
    history = SweepHistory(sweep, (trial("a", 0.1, 0.2, 0.9), trial("b", 0.1), trial("c", 0.3, 0.4, 0.5)))
    made = [
        stopped("a", 1, 0.15, carried_out=False),
        stopped("a", 2, 0.04, carried_out=False),
        stopped("b", 1, 0.01, carried_out=True),
        MadeDecision("c", 1, Decision(Action.CONTINUE, "", 0.5, 0.2)),
    ]
    assert evidence_of(history, made) == [Evidence(0.04, 0.2, won=True)]
