"""What ships: a predictor that knows the starter history, helps with sweeps like it, and keeps out of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from metahp.features import encode
from metahp.keras_predictor import KerasPredictor
from metahp.shipped import shipped_predictor
from metahp.space import Categorical, Float, Int, SearchSpace
from metahp.starter import starter_sweeps
from metahp.types import Mode, Sweep, SweepHistory, Trial

NETWORK = SearchSpace(
    {
        "lr": Float(1e-5, 1.0, log=True),
        "units": Int(8, 512, log=True),
        "dropout": Float(0.0, 0.6),
        "optimizer": Categorical(("adam", "sgd", "lion")),
        "heads": Int(1, 8),
    }
)
FOREIGN = SearchSpace(
    {"trees": Int(10, 1000, log=True), "depth": Int(1, 12), "learning_rate": Float(1e-3, 1.0, log=True)}
)


@pytest.fixture(scope="module")
def shipped() -> KerasPredictor:
    return shipped_predictor()


def test_it_knows_the_whole_starter_history(shipped: KerasPredictor) -> None:
    known = shipped.experience(Sweep("new", NETWORK, "val_accuracy", Mode.MAX, 10))
    assert known is not None
    assert set(known.sources) <= {own.sweep.sweep_id for own in starter_sweeps()}
    assert len(known.sources) > 20


def test_its_advice_is_legal_and_sensible_in_a_space_of_others(shipped: KerasPredictor) -> None:
    known = shipped.experience(Sweep("new", NETWORK, "val_accuracy", Mode.MAX, 10))
    assert known is not None
    assert all(NETWORK.contains(config) for config in known.best().configs())
    rates = [{"lr": lr, "units": 64, "dropout": 0.1, "optimizer": "adam", "heads": 2} for lr in (1e-5, 3e-3, 1.0)]
    tiny, usual, huge = known.judge(encode(NETWORK, rates), 0.5).mean(axis=0)
    assert usual > max(tiny, huge)


def test_it_keeps_out_of_what_it_does_not_know(shipped: KerasPredictor) -> None:
    assert shipped.experience(Sweep("new", FOREIGN, "auc", Mode.MAX, 10)) is None


def test_own_sweeps_of_other_things_change_nothing_for_those_it_knows(
    shipped: KerasPredictor, toy_history: Sequence[SweepHistory]
) -> None:
    """The network of a store that has learned other hyperparameters is not asked about them."""
    grown = shipped_predictor()
    grown.update(toy_history[:2])
    space = SearchSpace({"filters": Int(4, 64), "kernel_size": Int(2, 7), "dropout": Float(0.0, 0.6)})
    sweep = Sweep("new", space, "val_accuracy", Mode.MAX, 10)
    asked = [Trial(str(n), space.sample(np.random.default_rng(n))) for n in range(5)]
    before, after = (own.condition(sweep, []).predict(asked, [10] * 5) for own in (shipped, grown))
    assert (before.mean == after.mean).all()
    assert (before.std == after.std).all()
    own = grown.experience(replace(toy_history[0].sweep, sweep_id="new"))
    assert own is not None
    assert own.first_hand == 2
