"""Optuna studies that ask our policy."""

from collections import Counter

import pytest

from metahp.errors import SearchSpaceError
from metahp.prior_predictor import PriorPredictor

optuna = pytest.importorskip("optuna")
from metahp.integrations.optuna_sampler import MetaSampler  # noqa: E402

SPACE = {
    "rate": optuna.distributions.FloatDistribution(1e-4, 1.0, log=True),
    "units": optuna.distributions.IntDistribution(8, 64, step=8),
    "kind": optuna.distributions.CategoricalDistribution(["a", "b"]),
}


def objective(trial: "optuna.Trial") -> float:
    rate = trial.suggest_float("rate", 1e-4, 1.0, log=True)
    units, kind = trial.suggest_int("units", 8, 64, step=8), trial.suggest_categorical("kind", ["a", "b"])
    for epoch in range(3):
        trial.report(rate * (epoch + 1), epoch)
    if trial.number == 2:
        raise optuna.TrialPruned
    if trial.number == 3:
        raise ValueError("no luck")
    return rate + units / 64 + (kind == "a")


@pytest.mark.parametrize("space", [None, SPACE])
def test_a_study_of_good_and_bad_trials(space: "dict[str, optuna.distributions.BaseDistribution] | None") -> None:
    def run() -> list[dict[str, object]]:
        sampler = MetaSampler(PriorPredictor(), search_space=space, max_step=3, seed=1)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        study.optimize(objective, n_trials=8, catch=(ValueError,))
        counts = Counter(trial.state.name for trial in study.trials)
        assert counts == {"COMPLETE": 6, "PRUNED": 1, "FAIL": 1}
        return [trial.params for trial in study.trials]

    first = run()
    assert first == run()
    assert len({tuple(sorted(params.items())) for params in first}) == 8


def test_two_objectives_are_refused() -> None:
    sampler = MetaSampler(PriorPredictor(), search_space=SPACE)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    with pytest.raises(SearchSpaceError, match="one objective, got 2"):
        study.optimize(lambda trial: (trial.suggest_float("rate", 1e-4, 1.0, log=True), 0.0), n_trials=1)
