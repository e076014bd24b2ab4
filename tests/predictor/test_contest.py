"""A worse network never takes the place of a better one, by trials that neither was trained on."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from metahp.features import Observations, encode
from metahp.keras_predictor import KerasPredictor
from metahp.predictor import Contest
from metahp.shipped import shipped_predictor
from metahp.space import Float, SearchSpace
from metahp.surrogate import training
from metahp.surrogate.contest import ENOUGH_SWEEPS, for_training, held_out, held_out_sweeps
from metahp.surrogate.task import Task
from metahp.surrogate.trunk import MOST_REPLAYED, Trunk, replayed
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


def test_what_is_held_out_stays_so_while_a_sweep_grows() -> None:
    space = SearchSpace({"x": Float(0.0, 1.0)})
    configs = [{"x": n / 60} for n in range(60)]
    whole = held_out(observed(space, configs)).tolist()
    assert any(whole[:12])
    for count in range(1, 60):
        assert held_out(observed(space, configs[:count])).tolist() == whole[:count]


def test_late_sweeps_are_held_out_whole_and_for_good() -> None:
    names = [f"sweep-{number}" for number in range(60)]
    spared = held_out_sweeps(names)
    assert 2 <= len(spared) <= 14
    assert min(spared) >= ENOUGH_SWEEPS
    for count in range(60):
        assert held_out_sweeps(names[:count]) == {place for place in spared if place < count}
    assert not held_out_sweeps([f"starter/{name}" for name in names])


@pytest.fixture(scope="module")
def champion(prune: Prune, toy_task: Any) -> KerasPredictor:
    predictor = KerasPredictor(seed=0)
    predictor.fit([prune(toy_task(number), 60) for number in range(3)])
    return predictor


def arrays(predictor: KerasPredictor) -> Mapping[str, np.ndarray[Any, Any]]:
    assert predictor._knowledge is not None
    return predictor._knowledge.weights


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

    monkeypatch.setattr(training, "train", spoiled)
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
    made = training.episodes

    def watch(tasks: Any, *rest: Any) -> Any:
        seen.extend(tasks.values())
        return made(tasks, *rest)

    monkeypatch.setattr(training, "episodes", watch)
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
    made = training.for_training
    monkeypatch.setattr(training, "for_training", lambda task: prepared.append(task) or made(task))
    monkeypatch.setattr(training, "_STEPS", -13)  # and 15 for the new one: two
    predictor.update([prune(toy_task(9), 20)])
    assert 1 <= len(prepared) <= 2


def test_all_sweeps_are_replayed_as_often() -> None:
    rng = np.random.default_rng(0)
    counts = np.bincount(replayed(range(3), range(3), 11, rng))
    assert counts.max() - counts.min() <= 2
    assert len(set(replayed(range(50), [0], 20, rng).tolist()) - {0}) >= 9


def test_what_is_new_is_never_left_out_and_of_the_rest_a_few_are_replayed() -> None:
    order = replayed(range(1000), [998, 999], 60, np.random.default_rng(0))
    assert {998, 999} <= set(order.tolist())
    assert np.isin(order, [998, 999]).sum() >= 30
    assert MOST_REPLAYED <= len(set(order.tolist())) <= MOST_REPLAYED + 2


def spoiled(trunk: Trunk, _: object) -> bool:
    rng = np.random.default_rng(0)
    trunk.set_arrays({name: value + rng.normal(size=value.shape) for name, value in trunk.arrays().items()})
    return True


def test_the_first_own_network_follows_what_ships_and_only_a_better_one_follows_it(
    prune: Prune, toy_task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = shipped_predictor()
    shipped = arrays(predictor)
    predictor.update([prune(toy_task(0), 60)])
    own = arrays(predictor)
    assert predictor.contest is not None
    assert predictor.contest.champion is None
    assert not np.array_equal(own["inner"], shipped["inner"])
    monkeypatch.setattr(training, "train", spoiled)
    predictor.update([prune(toy_task(1), 60)])
    assert not predictor.contest.challenger_wins
    assert np.array_equal(arrays(predictor)["inner"], own["inner"])


def test_a_network_that_is_worse_on_whole_sweeps_alone_is_not_used() -> None:
    assert not Contest(1.0, 2.0, 3, 0.5, 0.4, 2).challenger_wins
    assert Contest(1.0, 1.0, 3, 0.5, 0.6, 2).challenger_wins
    assert not Contest(1.0, 0.9, 3, None, 0.6, 1).challenger_wins


def test_whole_sweeps_judge_and_are_never_trained_on(
    prune: Prune, toy_task: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: set[Observations] = set()
    made = training.episodes
    monkeypatch.setattr(training, "episodes", lambda tasks, *rest: used.update(tasks.values()) or made(tasks, *rest))
    monkeypatch.setattr(training, "held_out_sweeps", lambda names: frozenset({1}))
    predictor = KerasPredictor(seed=0)
    predictor.fit([prune(toy_task(number), 20) for number in range(2)])
    assert predictor.contest is not None
    assert predictor.contest.whole_sweeps == 1
    assert predictor.contest.challenger_whole is not None
    assert len(used) == 1
    past = predictor.experience(toy_task(50).sweep())
    assert past is not None
    assert len(past.sources) == 2
