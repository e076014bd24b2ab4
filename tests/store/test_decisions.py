"""Decisions are kept before anybody knows whether they were right."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from metahp.errors import RecordError, StoreError
from metahp.space import Float, SearchSpace
from metahp.store import Store
from metahp.types import Action, Decision, Forecast, MadeDecision, Measurement, Mode, Sweep

SWEEP = Sweep("s", SearchSpace({"x": Float(0, 1)}), "acc", Mode.MAX)
STOP = Decision(Action.STOP, "chance to beat 0.9 is 3%", 0.03, 0.3)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store", spool_dir=tmp_path / "spool")


def test_they_come_back_as_they_were(store: Store) -> None:
    forecast = Forecast(9, 0.7, 0.1)
    proposed = Decision(Action.START, "the best for 3 past sweeps", forecast=forecast, acquisition=0.2)
    spared = replace(STOP, forecast=forecast, propensity=0.96, carried_out=False)
    made = [
        MadeDecision("a", 1, Decision(Action.CONTINUE, "no other trial is better")),
        MadeDecision("a", 2, spared, "version-1"),
        MadeDecision("a", 0, proposed),
    ]
    with store.open_sweep(SWEEP) as writer:
        writer.start_attempt("a", {"x": 0.5})
        for each in made:
            writer.record_decision(each)
    first, second, third = store.decisions("s")
    assert second == made[1]
    assert (third.step, third.decision.acquisition, third.decision.forecast) == (0, 0.2, forecast)
    assert (first.step, first.decision.action, first.model_version) == (1, Action.CONTINUE, None)
    assert math.isnan(first.decision.probability)
    assert not first.decision.is_predicted
    assert store.decisions("another") == []


def test_they_add_nothing_to_the_curves(store: Store) -> None:
    with store.open_sweep(SWEEP) as writer:
        writer.start_attempt("a", {"x": 0.5})
        writer.record("a", Measurement(1, 0.5))
        writer.record_decision(MadeDecision("a", 1, STOP))
    (history,) = store.curves()
    assert history.trials[0].curve.steps.tolist() == [1]


def test_what_cannot_be_placed_is_refused(store: Store) -> None:
    with store.open_sweep(SWEEP) as writer:
        with pytest.raises(StoreError, match="never started"):
            writer.record_decision(MadeDecision("a", 1, STOP))
        writer.start_attempt("a", {"x": 0.5})
        with pytest.raises(RecordError, match="step"):
            writer.record_decision(MadeDecision("a", -1, STOP))
