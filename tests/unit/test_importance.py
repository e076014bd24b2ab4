"""Which hyperparameters mattered."""

from collections.abc import Callable
from typing import Any

import numpy as np

from metahp.importance import effects, importances
from metahp.space import Categorical, Float, SearchSpace
from metahp.types import LearningCurve, Mode, Sweep, SweepHistory, Trial

SPACE = SearchSpace({"lr": Float(1e-4, 1.0, log=True), "idle": Float(0.0, 1.0), "kind": Categorical(("a", "b"))})


def history(loss: Callable[[dict[str, Any]], float], trials: int = 60) -> SweepHistory:
    rng = np.random.default_rng(1)
    configs = [SPACE.sample(rng) for _ in range(trials)]
    return SweepHistory(
        Sweep("s", SPACE, "loss", Mode.MIN, 4),
        tuple(
            Trial(str(number), config, LearningCurve.of([(step, loss(config) + 1 / step) for step in range(1, 5)]))
            for number, config in enumerate(configs)
        ),
    )


def shares(loss: Callable[[dict[str, Any]], float]) -> dict[str, float]:
    return {each.name: each.share for each in importances(history(loss))}


def test_what_matters_alone_explains_nearly_all() -> None:
    found = shares(lambda config: (np.log10(config["lr"]) + 2) ** 2)
    assert found["lr"] > 0.8
    assert max(found["idle"], found["kind"]) < 0.1
    assert next(iter(found)) == "lr"


def test_two_that_matter_equally_share() -> None:
    found = shares(lambda config: np.log10(config["lr"]) / 4 * 12**-0.5 + (config["kind"] == "b") / 4 / 3**0.5)
    assert abs(found["lr"] - found["kind"]) < 0.35
    assert min(found["lr"], found["kind"]) > 0.2


def test_nothing_is_said_of_next_to_nothing() -> None:
    assert importances(history(lambda config: 1.0)) == []
    assert importances(history(lambda config: config["lr"], trials=4)) == []
    assert importances(history(lambda config: float("nan"))) == []


def test_what_only_matters_together_is_a_pair() -> None:
    """A saddle: neither explains anything alone."""
    found = effects(history(lambda config: (np.log10(config["lr"]) + 2) * (config["idle"] - 0.5), trials=120))
    assert found.together[0].names in (("lr", "idle"), ("idle", "lr"))
    assert found.together[0].share > 0.5
    assert max(each.share for each in found.alone) < 0.2
    assert all("kind" not in each.names for each in found.together)


def test_what_only_adds_up_is_no_pair() -> None:
    found = effects(history(lambda config: np.log10(config["lr"]) + 4 * config["idle"]))
    assert all(each.share < 0.05 for each in found.together)
    assert found.unexplained < 0.1
