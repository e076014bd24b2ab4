"""Past sweeps of tasks that are described alike count more."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metahp.keras_predictor import KerasPredictor
from metahp.space import Float, SearchSpace
from metahp.surrogate.kinship import kinship
from metahp.types import LearningCurve, Mode, Sweep, SweepHistory, TaskValue, Trial, TrialStatus

VALUES = st.one_of(st.text(max_size=3), st.booleans(), st.integers(-(10**12), 10**12), st.floats())
TASKS = st.dictionaries(st.sampled_from("abc"), VALUES)


@given(TASKS, st.lists(TASKS, min_size=1, max_size=5))
def test_weights_are_weights(task: dict[str, TaskValue], past: list[dict[str, TaskValue]]) -> None:
    weights = kinship(task, past)
    assert weights.shape == (len(past),)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0.2 / len(past) - 1e-12).all()


def test_usual_names_are_one_and_what_nobody_else_says_does_not_count() -> None:
    past: list[dict[str, TaskValue]] = [{"kind": "image", "inputs": 64}, {"kind": "image", "inputs": 4000}]
    plain = kinship({"kind": "image", "inputs": 64}, past)
    assert plain[0] > plain[1]
    told = kinship({"kind": "image", "input_size": 64, "feature_mean": 0.3, "layers": 5}, past)
    assert told == pytest.approx(plain)


def test_words_numbers_and_what_is_missing() -> None:
    task: dict[str, TaskValue] = {"kind": "image", "examples": 1000}
    same, larger, much_larger, other, silent = kinship(
        task,
        [
            {"kind": "image", "examples": 1000},
            {"kind": "image", "examples": 2000},
            {"kind": "image", "examples": 500_000},
            {"kind": "text", "examples": 1000},
            {},
        ],
    )
    assert same > larger > much_larger
    assert same > other
    assert same > silent


def test_nothing_said_is_nothing_weighed() -> None:
    assert kinship({}, [{}, {}]).tolist() == [0.5, 0.5]


def sweep_of(name: str, kind: str, peak: float) -> SweepHistory:
    """Sixteen trials; the best ``x`` is ``peak``."""
    sweep = Sweep(name, SearchSpace({"x": Float(0.0, 1.0)}), "acc", Mode.MAX, 8, {"kind": kind})
    trials = [
        Trial(f"{name}-{n}", {"x": x}, LearningCurve.of([(s, -abs(x - peak) - 1 / s) for s in range(1, 9)]))
        for n, x in enumerate(np.linspace(0, 1, 16).tolist())
    ]
    return SweepHistory(sweep, tuple(Trial(t.trial_id, t.config, t.curve, TrialStatus.COMPLETED) for t in trials))


def test_the_predictor_believes_the_kin() -> None:
    predictor = KerasPredictor(seed=0)
    predictor.fit(
        [sweep_of(f"t{n}", "text", 0.1) for n in range(3)] + [sweep_of(f"i{n}", "image", 0.9) for n in (0, 1, 2)]
    )
    for kind, near, far in (("image", 0.9, 0.1), ("text", 0.1, 0.9)):
        sweep = Sweep(f"new {kind}", SearchSpace({"x": Float(0.0, 1.0)}), "acc", Mode.MAX, 8, {"kind": kind})
        queries = [Trial("near", {"x": near}), Trial("far", {"x": far})]
        good, bad = predictor.condition(sweep, []).predict(queries, [8, 8]).mean
        assert good > bad
        past = predictor.experience(sweep)
        assert past is not None
        assert {source[0] for source in past.sources[:3]} == {kind[0]}
