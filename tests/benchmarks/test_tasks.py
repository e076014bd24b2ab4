"""Tasks: curves that are always the same, references, and the synthetic optima."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.tasks import (
    Curve,
    Reference,
    TaskDataMissingError,
    families,
    linear,
    load_task,
    load_tasks,
    mazes,
    trained,
)
from benchmarks.tasks import task as task_module
from benchmarks.tasks.synthetic import KINDS, TASKS_PER_KIND, best_config
from metahp.errors import RecordError, SearchSpaceError
from metahp.types import Mode

SYNTHETIC = [f"synthetic-{kind}/{number}" for kind in KINDS for number in (0, TASKS_PER_KIND - 1)]


@pytest.mark.parametrize("name", SYNTHETIC)
def test_nothing_beats_the_known_optimum(name: str) -> None:
    task = load_task(name)
    rng = np.random.default_rng(0)
    curves = [task.curve(task.space.sample(rng)) for _ in range(100)]
    found = max(float(np.max(task.mode.sign * c.scores[np.isfinite(c.scores)], initial=-np.inf)) for c in curves)
    best = task.mode.sign * task.curve(best_config(task)).scores[-1]
    noise = 5 * KINDS[task.family.removeprefix("synthetic-")].noise * abs(task.reference.best - task.reference.start)
    assert task.space.contains(best_config(task))
    assert best == pytest.approx(task.mode.sign * task.optimum, abs=2 * noise)
    assert found <= task.mode.sign * task.optimum + noise


@pytest.mark.parametrize("name", SYNTHETIC)
def test_curves_are_always_the_same(name: str) -> None:
    task = load_task(name)
    config = task.space.sample(np.random.default_rng(1))
    again = task.source([config])[0]
    np.testing.assert_array_equal(task.curve(config).scores, again.scores)
    assert len(again) <= task.max_step


def test_fast_learners_end_low_where_curves_cross() -> None:
    task = load_task("synthetic-crossing/0")
    rng = np.random.default_rng(0)
    curves = np.array([task.curve(task.space.sample(rng)).scores for _ in range(200)])
    best = task.curve(best_config(task)).scores
    assert np.mean(curves[:, 4] > best[4]) > 0.2
    assert not np.any(curves[:, -1] > best[-1])


def test_good_configurations_bloom_late() -> None:
    task = load_task("synthetic-late/0")
    scores = task.curve(best_config(task)).scores
    gained = (scores - scores[0]) / (task.optimum - scores[0])
    assert gained[task.max_step // 2 - 2] < 0.1
    assert gained[-1] > 0.9


def test_too_large_a_learning_rate_diverges_or_dies() -> None:
    task = load_task("synthetic-diverging/0")
    wild = best_config(task) | {"learning_rate": 1.0}
    curve = task.curve(wild)
    assert curve.fails or not np.isfinite(curve.scores).all()
    rng = np.random.default_rng(0)
    kinds = [task.curve(task.space.sample(rng)) for _ in range(300)]
    assert any(c.fails for c in kinds)
    assert any(np.isnan(c.scores).any() for c in kinds)
    assert any(np.isinf(c.scores).any() for c in kinds)


def test_related_tasks_have_near_but_different_optima() -> None:
    tasks = load_tasks("synthetic-plain")
    units, _ = tasks[0].space.encode([best_config(task) for task in tasks])
    assert len({tuple(row) for row in units}) == len(tasks)
    assert np.mean(np.std(units, axis=0)) < 0.2


def test_a_configuration_outside_the_space_is_refused() -> None:
    with pytest.raises(SearchSpaceError, match="learning_rate"):
        load_task("synthetic-plain/0").curve({"learning_rate": 100.0})


def test_regret_is_0_at_the_best_and_1_at_the_start_and_for_what_is_not_finite() -> None:
    scores = np.array([0.9, 0.5, 0.7, np.nan, np.inf, -np.inf, 0.1, 1.0])
    np.testing.assert_allclose(Reference(0.9, 0.5, 1.0).regret(scores), [0, 1, 0.5, 1, 1, 1, 1, -0.25])
    np.testing.assert_allclose(Reference(0.5, 0.9, 1.0).regret(np.array([0.5, 0.9, 1e34])), [0, 1, 1])


def test_a_curve_needs_increasing_seconds() -> None:
    with pytest.raises(RecordError, match="must increase"):
        Curve(np.zeros(2), np.array([1.0, 1.0]))
    with pytest.raises(RecordError, match="one shape"):
        Curve(np.zeros(2), np.array([1.0]))


def test_a_name_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(ValueError, match="no task is called 'synthetic-plain/99'; there are synthetic-plain/0"):
        load_tasks("synthetic-plain/99")
    with pytest.raises(ValueError, match=r"there are lcbench, taskset, keras-tabular"):
        load_tasks("cifar")


def test_missing_data_say_where_they_come_from(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(task_module, "DATA", tmp_path)
    with pytest.raises(TaskDataMissingError, match=r"benchmarks/tasks/lcbench\.py says where to get them"):
        task_module.data_directory("lcbench")


def test_selections_add_up() -> None:
    assert len(load_tasks("synthetic")) == TASKS_PER_KIND * len(KINDS)
    assert [task.name for task in load_tasks("synthetic-late/1, synthetic-plain/0")] == [
        "synthetic-late/1",
        "synthetic-plain/0",
    ]
    assert {"lcbench", "taskset"} <= set(families())


@pytest.mark.usefixtures("shared_data")
def test_lcbench_speaks_the_surrogates_language() -> None:
    tasks = load_tasks("lcbench")
    assert len(tasks) == 20
    rng = np.random.default_rng(0)
    for task in tasks[::7]:
        curve = task.curve(task.space.sample(rng))
        assert len(curve) == task.max_step == 52
        assert np.all((curve.scores >= 0) & (curve.scores <= 1))


@pytest.mark.usefixtures("shared_data")
def test_taskset_answers_with_what_was_recorded() -> None:
    tasks = load_tasks("taskset")
    assert len(tasks) == 8
    assert all(task.mode is Mode.MIN for task in tasks)
    rng = np.random.default_rng(0)
    scores = np.concatenate([t.curve(t.space.sample(rng)).scores for t in tasks for _ in range(20)])
    assert np.isnan(scores).any()
    assert np.nanmin(scores) > 0.1


@pytest.mark.parametrize("name", ["mazes/0", "mazes/4", "linear/2", "linear/3", "trees/0"])
def test_what_is_trained_when_it_is_asked_for_is_always_the_same(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trained, "CACHE", tmp_path)
    tasks = {own.name: own for load in (trained.maze_tasks, trained.linear_tasks, trained.tree_tasks) for own in load()}
    task, rng = tasks[name], np.random.default_rng(0)
    for config in [task.space.sample(rng) for _ in range(3)]:
        first, again = task.source([config])[0], task.source([config | {"another[1]/key": 1}])[0]
        np.testing.assert_array_equal(first.scores, again.scores)
        assert first.scores.shape == (task.max_step,)
        assert np.isfinite(first.scores).any()
    assert sum(path.name == "output.pkl" for path in tmp_path.rglob("*")) == 3  # and is trained once


def test_weights_that_go_to_infinity_are_scores_that_are_not_numbers() -> None:
    wild = {"alpha": 1e-7, "eta0": 1e308, "loss": "squared_hinge", "average": False}
    scores = linear.train(0, wild | {"penalty": {"name": "l2"}, "schedule": {"name": "constant"}})
    assert np.isnan(scores).all()
    assert scores.shape == (linear.EPOCHS,)


def test_who_knows_the_way_walks_it() -> None:
    config = {"alpha": 0.2, "gamma": 0.95, "epsilon": 0.1, "epsilon_decay": 1.0, "trace": 0.5}
    scores = mazes.train(0, config | {"optimism": 1.0, "method": "q"})
    assert scores.max() == pytest.approx(10.0 - 0.1 * 7)  # eight steps are the least from corner to corner
    assert scores.argmax() > 0
