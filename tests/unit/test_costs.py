"""Seconds per step, learned from a sweep's own trials."""

import math

import numpy as np
import pytest

from metahp.costs import FEWEST, relative_seconds
from metahp.space import Categorical, Conditional, Float, Int, SearchSpace
from metahp.types import Config, LearningCurve, Measurement, Trial

SPACE = SearchSpace(
    {
        "units": Int(8, 512, log=True),
        "rate": Float(1e-4, 1e-1, log=True),
        "kind": Categorical(("small", "large")),
        "optimizer": Conditional(({"name": "adam"}, {"name": "sgd", "momentum": Float(0.0, 0.9)})),
    }
)


def seconds(config: Config) -> float:
    """Of one step: they multiply."""
    return 0.01 * config["units"] ** 0.7 * (3.0 if config["kind"] == "large" else 1.0)


def trials(count: int, *, starts_in: float = 0.0, noise: float = 0.0) -> list[Trial]:
    """Of which each third is stopped after two steps."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(count):
        config = SPACE.sample(rng)
        per_step = seconds(config) * math.exp(noise * rng.normal())
        steps = range(1, 3 if number % 3 == 0 else 7)
        curve = LearningCurve(tuple(Measurement(s, 0.5, starts_in + s * per_step) for s in steps))
        found.append(Trial(f"t{number}", config, curve))
    return found


@pytest.mark.parametrize("starts_in", [0.0, 30.0])
def test_what_takes_longer_is_known_beforehand(starts_in: float) -> None:
    asked = [SPACE.sample(np.random.default_rng(seed)) for seed in range(100, 160)]
    found = np.log(relative_seconds(SPACE, trials(20, starts_in=starts_in, noise=0.1), asked))
    truth = np.log([seconds(config) for config in asked])
    assert np.corrcoef(found, truth)[0, 1] > 0.98
    assert np.ptp(found) == pytest.approx(np.ptp(truth), rel=0.25)


def test_who_knows_nothing_takes_all_for_alike() -> None:
    asked = [SPACE.sample(np.random.default_rng(seed)) for seed in range(3)]
    silent = [Trial(t.trial_id, t.config, LearningCurve((Measurement(1, 0.1), Measurement(2, 0.2)))) for t in trials(9)]
    instant = [
        Trial(t.trial_id, t.config, LearningCurve((Measurement(1, 0.1, 0.0), Measurement(2, 0.2, 0.0))))
        for t in trials(9)
    ]
    once = [Trial(t.trial_id, t.config, LearningCurve((Measurement(1, 0.1, 2.0),))) for t in trials(9)]
    for told in ([], silent, instant, once, trials(FEWEST - 1), [*silent, *trials(FEWEST - 1)]):
        assert relative_seconds(SPACE, told, asked).tolist() == [1.0, 1.0, 1.0]
    constant = SearchSpace({"rate": 0.1})
    told = [Trial(t.trial_id, {"rate": 0.1}, t.curve) for t in trials(9)]
    assert relative_seconds(constant, told, [{"rate": 0.1}]).tolist() == [1.0]


def test_one_wild_clock_stays_within_bounds() -> None:
    known = trials(12)
    wild = Trial("wild", known[0].config, LearningCurve((Measurement(1, 0.1, 1.0), Measurement(2, 0.1, 1e30))))
    found = relative_seconds(SPACE, [*known, wild], [t.config for t in known])
    assert (found >= math.exp(-3.0)).all()
    assert (found <= math.exp(3.0)).all()
