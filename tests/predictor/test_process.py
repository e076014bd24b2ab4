"""The exact algebra: the network trains on the same covariance that predictions use, and appending equals refitting."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from metahp.prior_predictor import PriorBelief, PriorPredictor
from metahp.surrogate import process
from metahp.surrogate.process import Process, Rows, ScalePrior, covariance
from metahp.types import SweepHistory, Trial


def test_training_and_prediction_share_one_covariance(toy_history: Sequence[SweepHistory]) -> None:
    from metahp.surrogate.knowledge import Knowledge
    from metahp.surrogate.memory import TrunkBelief
    from metahp.surrogate.task import Task
    from metahp.surrogate.trunk import ROWS, Trunk, episodes
    from metahp.surrogate.vocabulary import Vocabulary

    task = Task.of(toy_history[0])
    assert task is not None
    seen = task.observations.of_trials(np.arange(8))
    vocabulary = Vocabulary().grown([seen.points])
    trunk = Trunk(vocabulary, np.random.default_rng(0))
    batch = episodes({0: seen}, np.array([0]), vocabulary, np.random.default_rng(0))
    belief = TrunkBelief(Knowledge({"toy": task}, vocabulary, trunk.arrays(), is_own=True).features)

    rows = Rows.believed(belief, seen.points, seen.trial, seen.trial, seen.fraction)
    noisy = covariance(belief, rows, rows) + belief.spread.noise_std**2 * np.eye(len(rows))
    residual = seen.level - rows.prior[:, 0]
    expected = 0.5 * (residual @ np.linalg.solve(noisy, residual) + np.linalg.slogdet(noisy)[1]) / len(rows)

    assert len(rows) < ROWS
    trained = float(np.asarray(trunk.likelihood(batch))[0])
    assert trained == pytest.approx(expected, abs=2e-2 * abs(expected) + 2e-2)  # float32, interpolated tables


def process_and_rows(toy_task: Any, count: int) -> tuple[Process, Rows, np.ndarray]:
    task = toy_task(0)
    rng = np.random.default_rng(0)
    trials = [Trial(str(n), c, task.curve(c, 6)) for n, c in enumerate(task.space.sample(rng) for _ in range(count))]
    posterior = PriorPredictor().condition(task.sweep(), trials)
    return posterior.process, posterior.process.rows, posterior.process.level


def test_appending_rows_equals_conditioning_on_all(toy_task: Any) -> None:
    whole, rows, level = process_and_rows(toy_task, 5)

    def part(first: int, last: int | None) -> Rows:
        chosen = slice(first, last)
        return Rows(rows.points, rows.trial[chosen], rows.trial[chosen], rows.fraction[chosen], rows.prior[chosen])

    half = Process.given(whole.belief, whole.scale, part(0, 17), level[:17])
    grown = half.extended(part(17, None), level[17:])
    for left, right in zip(whole.predict(rows), grown.predict(rows), strict=True):
        assert np.allclose(left, right, atol=1e-8)


def test_an_unknown_scale_is_found(toy_task: Any) -> None:
    """Twenty observed configurations tell offset and spread, however far off the prior is."""
    _, rows, level = process_and_rows(toy_task, 20)
    far = 5.0 + 2.0 * level
    process = Process.given(PriorBelief(), ScalePrior(0.0, 10.0, 0.0, 0.7), rows, far)
    mean, variance = process.predict(rows)
    assert np.abs(mean - far).max() < 0.5
    assert (variance > 0).all()


@pytest.mark.parametrize("size", [1, 2, 49, 50, 51, 131])
def test_a_triangular_matrix_is_inverted_by_halves(size: int) -> None:
    lower = np.tril(np.random.default_rng(size).normal(size=(size, size))) + size * np.eye(size)
    inverse = process._triangular_inverse(lower)
    np.testing.assert_allclose(inverse @ lower, np.eye(size), atol=1e-12)
    assert not np.triu(inverse, 1).any()
