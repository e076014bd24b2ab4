"""Where curves jump, a dip is not taken at its word, and late bloomers are spared; smooth sweeps stay as they are."""

import math
from collections.abc import Callable

import numpy as np
import pytest

from metahp.luck import JUMPY, dips, may_bloom, noise, without_luck
from metahp.policy import Policy
from metahp.prior_predictor import PriorPredictor
from metahp.space import Float, SearchSpace
from metahp.types import Action, Mode, Sweep, Trial

LINE = SearchSpace({"x": Float(0.0, 1.0)})
Make = Callable[..., Trial]
BOTH = pytest.mark.parametrize(("mode", "sign"), [(Mode.MAX, 1.0), (Mode.MIN, -1.0)])


def sweep_of(mode: Mode = Mode.MAX, steps: int = 20) -> Sweep:
    return Sweep("s", LINE, "score", mode, steps)


def rising(noise_std: float, make: Make, sign: float = 1.0, count: int = 12, steps: int = 20) -> list[Trial]:
    """Trials that rise from 0 to 1, or to less, with white noise."""
    rng = np.random.default_rng(0)
    tops, at = np.linspace(0.2, 1.0, count), np.linspace(0.0, 1.0, steps)
    curves = tops[:, None] * at**0.5 + noise_std * rng.standard_normal((count, steps))
    return [make(f"t{n}", {"x": n / count}, list(sign * curve), status="stopped") for n, curve in enumerate(curves)]


@BOTH
def test_noise_is_found_whatever_the_direction_and_the_unit(mode: Mode, sign: float, trial_of: Make) -> None:
    for std in (0.1, 0.2):
        trials = rising(std, trial_of, sign)
        best = max(sign * value for trial in trials for value in trial.curve.values)
        start = np.median([sign * trial.curve.values[0] for trial in trials])
        assert noise(sweep_of(mode), trials) == pytest.approx(std / (best - start), rel=0.25)


def test_smooth_curves_have_no_more_than_the_usual_noise(trial_of: Make) -> None:
    """However steep they are, and where they turn once for good."""
    turning = trial_of("turning", {"x": 0.5}, [0.0, 0.5, 0.8, 0.9, 0.8, 0.5, 0.0])
    diverged = trial_of("diverged", {"x": 0.5}, [0.0, 0.9, math.nan, 1e34, math.inf])
    for trials in ([], rising(0.0, trial_of), [*rising(0.01, trial_of), turning, diverged]):
        assert noise(sweep_of(), trials) < JUMPY
        assert dips(sweep_of(), trials) == ([], [])


@BOTH
def test_dips_are_the_best_scores_of_the_best_trials(mode: Mode, sign: float, trial_of: Make) -> None:
    silent, lost = trial_of("silent", {"x": 0.1}), trial_of("lost", {"x": 0.2}, [math.nan, math.nan])
    lucky, at = dips(sweep_of(mode), [silent, lost, *rising(0.2, trial_of, sign)])
    scores = [sign * trial.curve.values[step - 1] for trial, step in zip(lucky, at, strict=True)]
    assert scores == [sign * (trial.curve.best(mode) or 0.0) for trial in lucky] == sorted(scores, reverse=True)
    assert len(lucky) == 5


@BOTH
def test_what_is_believed_replaces_the_best_score_only_where_it_is_worse(mode: Mode, sign: float) -> None:
    sweep = sweep_of(mode)
    assert without_luck(sign * 0.9, np.zeros(0), sweep) == sign * 0.9
    assert without_luck(sign * 0.9, sign * np.array([0.5, 0.7]), sweep) == sign * 0.7
    assert without_luck(sign * 0.9, sign * np.array([0.5, 1.2]), sweep) == sign * 0.9
    assert math.isnan(without_luck(math.nan, np.zeros(0), sweep))


def late(make: Make, noise_std: float, sign: float = 1.0) -> tuple[list[Trial], Trial]:
    """A sweep whose best trial was flat for eight steps and then rose, and one that is flat so far."""
    rng = np.random.default_rng(1)
    rise = np.concatenate([np.zeros(8), np.linspace(0.1, 1.0, 12)])
    curves = [top * rise + noise_std * rng.standard_normal(20) for top in (0.2, 0.4, 0.6, 1.0)]
    trials = [make(f"t{n}", {"x": n / 4}, list(sign * curve), status="stopped") for n, curve in enumerate(curves)]
    return trials, make("young", {"x": 0.9}, list(sign * (0.15 + noise_std * rng.standard_normal(6))))


@BOTH
def test_where_curves_jump_a_late_bloomer_is_spared(mode: Mode, sign: float, trial_of: Make) -> None:
    """One as good as the best was at its age; not one that is worse, nor where the best had already risen."""
    trials, young = late(trial_of, 0.15, sign)
    sweep, policy = sweep_of(mode), Policy(PriorPredictor(), threshold=1.0)  # stops whatever it may
    assert may_bloom(sweep, [*trials, young], young)
    assert policy.decide(sweep, [*trials, young], young).action is Action.CONTINUE
    worse = trial_of("worse", {"x": 0.9}, list(-sign * np.array([0.9, 1.0, 0.9, 1.0, 0.9, 1.0])))
    older = trial_of("older", {"x": 0.9}, [*young.curve.values, *[float(sign * 0.2)] * 10])
    for lost in (worse, older):
        assert not may_bloom(sweep, [*trials, lost], lost)
        assert policy.decide(sweep, [*trials, lost], lost).action is Action.STOP


def test_smooth_sweeps_and_empty_ones_spare_nobody(trial_of: Make) -> None:
    trials, young = late(trial_of, 0.001)
    assert not may_bloom(sweep_of(), [*trials, young], young)
    assert not may_bloom(sweep_of(), [young], young)
    silent = trial_of("silent", {"x": 0.9})
    assert not may_bloom(sweep_of(), [*late(trial_of, 0.15)[0], silent], silent)


def test_without_its_luck_the_best_score_is_easier_to_beat(trial_of: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """One report far above its own trial's others: chances, hurdles and proposals no longer ask for as much."""
    trials = rising(0.1, trial_of)
    values = [*trials[-1].curve.values]
    values[12] = 2.0
    trials[-1] = trial_of(trials[-1].trial_id, trials[-1].config, values, status="stopped")
    second, sweep = trial_of("second", {"x": 0.95}, [0.1, 0.4, 0.5, 0.45]), sweep_of()
    asked = [*trials, second]

    def found() -> tuple[float, float, float]:
        policy = Policy(PriorPredictor(), blind_exploration=0.0)
        proposal = policy.suggest(sweep, asked, np.random.default_rng(0)).decision
        return policy.chances(sweep, asked, [second])[0], policy.hurdle(sweep, asked, 4), proposal.probability

    ours = found()
    monkeypatch.setattr("metahp.luck.JUMPY", 1.0)
    raw = found()
    assert ours[0] > raw[0]
    assert ours[1] < raw[1] == 2.0
    assert ours[2] > raw[2]
