"""A family of related synthetic tasks, and histories of them as a sweep with pruning leaves them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metahp.features import Points
from metahp.keras_predictor import KerasPredictor
from metahp.policy import Policy
from metahp.space import Categorical, Conditional, Float, Int, SearchSpace
from metahp.types import LearningCurve, Measurement, Mode, Prediction, Sweep, SweepHistory, Trial, TrialStatus

STEPS = 27
SPACE = SearchSpace(
    {
        "learning_rate": Float(1e-4, 1e-1, log=True),
        "units": Int(16, 256, log=True),
        "activation": Categorical(("relu", "tanh", "none")),
        "optimizer": Conditional(({"name": "adam"}, {"name": "sgd", "momentum": Float(0.0, 0.99)})),
    }
)


@dataclass(frozen=True)
class ToyTask:
    """Accuracy of a made-up network: best near one learning rate; no activation and no momentum hurt."""

    number: int
    space: SearchSpace = SPACE
    mode: Mode = Mode.MAX
    factor: float = 1.0

    def sweep(self, sweep_id: str = "") -> Sweep:
        return Sweep(sweep_id or f"toy-{self.number}", self.space, "score", self.mode, STEPS)

    def curve(self, config: Mapping[str, Any], steps: int = STEPS) -> LearningCurve:
        rng = np.random.default_rng(self.number)
        best_rate, top, speed = -2.5 + 0.2 * rng.normal(), rng.uniform(0.7, 0.95), rng.uniform(0.3, 0.6)
        final = top - 0.15 * (math.log10(config["learning_rate"]) - best_rate) ** 2
        final += 0.04 * math.log2(config.get("units", 64) / 64) - 0.15 * (config.get("activation") == "none")
        optimizer = config.get("optimizer", {})
        final -= 0.2 * (1.0 - optimizer["momentum"]) ** 2 if "momentum" in optimizer else 0.0
        noise = np.random.default_rng(abs(hash((self.number, config["learning_rate"]))) % 2**32)
        values = [
            final - (final - 0.1) * step ** -(0.3 + speed) + 0.005 * noise.normal() for step in range(1, steps + 1)
        ]
        return LearningCurve.of([(step, self.factor * self.mode.sign * v) for step, v in enumerate(values, 1)])

    def final(self, config: Mapping[str, Any]) -> float:
        """The score at the last step, the larger the better."""
        return self.mode.sign * self.curve(config).values[-1]


def falls_behind(done: Sequence[Trial], reported: Measurement, mode: Mode) -> bool:
    """Whether a report at step 1, 3 or 9 is not in the best third of those before it."""
    others = [mode.sign * t.curve.values[t.curve.steps == reported.step] for t in done]
    scores = np.concatenate([*others, np.zeros(0)])
    return bool(reported.step in (1, 3, 9) and len(scores) and mode.sign * reported.value < np.quantile(scores, 2 / 3))


def pruned(task: ToyTask, trials: int, seed: int = 0) -> SweepHistory:
    """Random configurations under successive halving, one after the other."""
    rng, sweep, done = np.random.default_rng([task.number, seed]), task.sweep(), []
    for number in range(trials):
        config, curve, status = task.space.sample(rng), LearningCurve(), TrialStatus.COMPLETED
        for measurement in task.curve(config).measurements:
            curve = curve.extended(measurement)
            if falls_behind(done, measurement, sweep.mode):
                status = TrialStatus.STOPPED
                break
        done.append(Trial(f"t{number}", config, curve, status))
    return SweepHistory(sweep, tuple(done))


@pytest.fixture(scope="session")
def toy_task() -> type[ToyTask]:
    return ToyTask


@pytest.fixture(scope="session")
def prune() -> Callable[..., SweepHistory]:
    return pruned


@pytest.fixture(scope="session")
def toy_history() -> Sequence[SweepHistory]:
    return [pruned(ToyTask(number), 40) for number in range(6)]


@pytest.fixture(scope="session")
def learned(toy_history: Sequence[SweepHistory]) -> KerasPredictor:
    """A predictor that has seen six related tasks; tests must not train it further."""
    predictor = KerasPredictor(seed=0)
    predictor.fit(toy_history)
    return predictor


@pytest.fixture(scope="session")
def saved(learned: KerasPredictor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("predictor")
    learned.save(directory)
    return directory


@pytest.fixture(scope="session")
def trial_of() -> Callable[..., Trial]:
    def make(trial_id: str, config: Mapping[str, Any], values: Sequence[float] = (), status: str = "running") -> Trial:
        curve = LearningCurve(tuple(Measurement(step, value) for step, value in enumerate(values, 1)))
        return Trial(trial_id, config, curve, TrialStatus(status))

    return make


class Known:
    """Believes that each trial ends at its x, give or take 0.1."""

    def condition(self, sweep: Sweep, trials: Sequence[Trial]) -> Known:
        return self

    def predict(self, trials: Sequence[Trial], steps: Sequence[int]) -> Prediction:
        means = np.array([trial.config["x"] for trial in trials], np.float64)
        return Prediction(means, np.full(len(means), 0.1))

    def promise(self, points: Points, step: int) -> Prediction:
        return self.predict([Trial("a new one", config) for config in points.configs()], [step] * len(points))


@pytest.fixture
def knowing() -> Callable[[], Policy]:
    """Makes policies that know how trials end."""
    return lambda: Policy(Known())  # type: ignore[arg-type]
