"""A worse network never takes the place of a better one, by trials that neither was trained on."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from metahp.features import Observations, encode
from metahp.keras_predictor import KerasPredictor
from metahp.space import Float, SearchSpace
from metahp.surrogate import knowledge
from metahp.surrogate.contest import for_training, held_out
from metahp.surrogate.task import Task
from metahp.surrogate.trunk import Trunk, replayed
from metahp.types import SweepHistory

Prune = Callable[..., SweepHistory]


def observed(space: SearchSpace, configs: list[dict[str, float]]) -> Observations:
    zeros = np.zeros(len(configs))
    rows = np.arange(len(configs))
    return Observations(tuple(map(str, rows)), encode(space, configs), rows, zeros + 1.0, zeros)


def test_twins_are_on_the_same_side_whatever_the_ranges() -> None:
    configs = [{"x": float(x)} for x in np.linspace(0.1, 0.9, 200)]
    narrow, wide = (observed(SearchSpace({"x": Float(*bounds)}), configs) for bounds in ((0.05, 0.95), (-3.0, 7.0)))
    assert held_out(narrow).tolist() == held_out(wide).tolist()
    assert 10 <= held_out(narrow).sum() <= 45
    assert len(for_training(narrow).points) == 200 - held_out(narrow).sum()


def test_small_sweeps_are_trained_on_whole() -> None:
    few = observed(SearchSpace({"x": Float(0.0, 1.0)}), [{"x": n / 20} for n in range(12)])
    assert not held_out(few).any()


@pytest.fixture(scope="module")
def champion(prune: Prune, toy_task: Any) -> KerasPredictor:
    predictor = KerasPredictor(seed=0)
    predictor.fit([prune(toy_task(number), 60) for number in range(3)])
    return predictor


def arrays(predictor: KerasPredictor) -> Mapping[str, np.ndarray[Any, Any]]:
    assert predictor._knowledge is not None
    return predictor._knowledge.trunk.arrays()


def test_the_first_network_is_judged_without_a_rival(champion: KerasPredictor) -> None:
    assert champion.contest is not None
    assert champion.contest.champion is None
    assert champion.contest.challenger is not None
    assert champion.contest.challenger_wins
    assert champion.contest.sweeps == 3


def test_a_worse_network_is_not_used_and_its_sweeps_are_remembered(
    prune: Prune, toy_task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = KerasPredictor(seed=0)
    predictor.fit([prune(toy_task(number), 60) for number in range(3)])
    before = arrays(predictor)

    def spoil(trunk: Trunk, _: object) -> bool:
        rng = np.random.default_rng(0)
        trunk.set_arrays({name: value + rng.normal(size=value.shape) for name, value in trunk.arrays().items()})
        return True

    monkeypatch.setattr(knowledge, "train", spoil)
    new = prune(toy_task(9), 60)
    predictor.update([new])
    contest = predictor.contest
    assert contest is not None
    assert contest.challenger is not None
    assert contest.champion is not None
    assert contest.challenger < contest.champion
    assert not contest.challenger_wins
    after = arrays(predictor)
    assert all((after[name] == value).all() for name, value in before.items())
    past = predictor.experience(toy_task(50).sweep())
    assert past is not None
    assert new.sweep.sweep_id in past.sources


def test_what_is_held_out_is_never_trained_on(prune: Prune, toy_task: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Observations] = []
    made = knowledge.episodes

    def watch(tasks: Any, *rest: Any) -> Any:
        seen.extend(tasks.values())
        return made(tasks, *rest)

    monkeypatch.setattr(knowledge, "episodes", watch)
    history = prune(toy_task(0), 60)
    task = Task.of(history)
    assert task is not None
    KerasPredictor(seed=0).fit([history])
    held = {task.observations.trial_ids[place] for place in np.flatnonzero(held_out(task.observations))}
    assert held
    assert not held & {name for each in seen for name in each.trial_ids}


def test_an_update_prepares_only_the_sweeps_that_it_trains_on(
    prune: Prune, toy_task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = KerasPredictor(seed=0)
    predictor.fit([prune(toy_task(number), 20) for number in range(4)])
    prepared: list[Observations] = []
    made = knowledge.for_training
    monkeypatch.setattr(knowledge, "for_training", lambda task: prepared.append(task) or made(task))
    monkeypatch.setattr(knowledge, "_STEPS", -13)  # and 15 for the new one: two
    predictor.update([prune(toy_task(9), 20)])
    assert len(prepared) == 2


def test_all_sweeps_are_replayed_as_often() -> None:
    rng = np.random.default_rng(0)
    counts = np.bincount(replayed(3, range(3), 11, rng))
    assert counts.max() - counts.min() <= 2
    assert len(set(replayed(50, [0], 20, rng).tolist()) - {0}) >= 9


def test_what_is_new_is_never_left_out() -> None:
    order = replayed(1000, [998, 999], 60, np.random.default_rng(0))
    assert {998, 999} <= set(order.tolist())
    assert np.isin(order, [998, 999]).sum() >= 30
    assert len(set(order.tolist())) >= 25  # and the others are not forgotten
