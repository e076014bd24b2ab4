"""Core types refuse what contradicts itself and keep what is merely bad luck."""

import dataclasses
import math

import numpy as np
import pytest

from metahp.errors import RecordError
from metahp.space import Float, SearchSpace
from metahp.types import (
    LearningCurve,
    Measurement,
    Mode,
    Prediction,
    Sweep,
    SweepHistory,
    Trial,
    TrialStatus,
    incumbent,
)

SPACE = SearchSpace({"x": Float(0, 1)})


def test_a_curve_from_unordered_points_with_doubles_keeps_the_first_of_each_step():
    curve = LearningCurve.of([(3, 0.3), (1, 0.1, 2.0), (3, 0.4)])
    assert curve.steps.tolist() == [1, 3]
    assert curve.values.tolist() == [0.1, 0.3]
    assert curve.elapsed_s[0] == 2.0
    assert math.isnan(curve.elapsed_s[1])
    assert curve.last_step == 3
    assert curve.until(2).last_step == 1


def test_extending_a_curve_is_idempotent_and_keeps_order():
    curve = LearningCurve.of([(1, 0.1), (3, 0.3)])
    longer = curve.extended(Measurement(2, 0.2))
    assert longer.steps.tolist() == [1, 2, 3]
    assert longer.extended(Measurement(2, 9.0)) is longer


def test_diverged_values_are_data():
    curve = LearningCurve.of([(1, math.nan), (2, math.inf), (3, -1e34), (4, 0.5)])
    assert curve.best(Mode.MAX) == 0.5
    assert curve.best(Mode.MIN) == -1e34
    assert LearningCurve.of([(1, math.nan)]).best(Mode.MIN) is None


def test_the_incumbent_is_the_best_finite_value_at_any_step():
    trials = [
        Trial("a", {}, LearningCurve.of([(1, 0.5), (2, 0.2)])),
        Trial("b", {}, LearningCurve.of([(1, math.nan)])),
        Trial("c", {}, LearningCurve.of([(1, 0.4)])),
    ]
    assert incumbent(trials, Mode.MAX).trial_id == "a"
    assert incumbent(trials, Mode.MIN).trial_id == "a"
    assert incumbent([trials[1]], Mode.MAX) is None
    assert SweepHistory(Sweep("s", SPACE, "acc", Mode.MAX), tuple(trials)).incumbent().trial_id == "a"


def test_types_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Measurement(1, 0.0).value = 2.0


def test_status_knows_what_is_over():
    assert [status for status in TrialStatus if status.is_over] == ["completed", "stopped", "errored"]


def test_a_prediction_gives_probabilities_in_the_metrics_direction():
    prediction = Prediction(np.array([0.0, 1.0, 1.0]), np.array([1.0, 0.0, 0.0]))
    assert prediction.probability_better(0.0, Mode.MAX).tolist() == [0.5, 1.0, 1.0]
    assert prediction.probability_better(1.0, Mode.MIN)[1:].tolist() == [0.0, 0.0]
    assert prediction.quantile(0.9)[0] == pytest.approx(1.2816, abs=1e-3)
    assert len(prediction) == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Measurement(0, 1.0), "counts from 1, got 0"),
        (lambda: LearningCurve((Measurement(2, 0.0), Measurement(2, 0.0))), "strictly increasing steps, got 2 after 2"),
        (lambda: Sweep("s", SPACE, "", Mode.MAX), "metric is empty"),
        (lambda: Sweep("s", SPACE, "acc", "best"), "mode must be 'min' or 'max', got 'best'"),
        (lambda: Sweep("s", SPACE, "acc", Mode.MAX, max_step=0), "max_step must be at least 1, got 0"),
        (lambda: Sweep("s", SPACE, "acc", Mode.MAX, task={"shape": [1, 2]}), r"plain values, got 'shape': \[1, 2\]"),
        (
            lambda: SweepHistory(Sweep("s", SPACE, "a", Mode.MAX), (Trial("t", {}), Trial("t", {}))),
            "same trial_id twice",
        ),
        (lambda: Prediction(np.zeros(2), np.zeros(3)), r"one shape \(n,\), got \(2,\) and \(3,\)"),
        (lambda: Prediction(np.zeros(1), -np.ones(1)), "std >= 0"),
        (lambda: Prediction(np.array([np.nan]), np.ones(1)), "finite means"),
    ],
)
def test_contradictions_are_refused_in_a_sentence(make, message):
    with pytest.raises(RecordError, match=message):
        make()
