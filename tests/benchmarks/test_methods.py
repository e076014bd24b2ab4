"""Every method sweeps every kind of task; transfer methods are better for what they know."""

import numpy as np
import pytest

from benchmarks.history import PAST_REPORTS, Past, past_of, past_sweep
from benchmarks.methods.foresight import Foresight
from benchmarks.methods.halving import BatchHalving, BatchSearch
from benchmarks.methods.registry import METHODS, Setting, method_named
from benchmarks.methods.transfer import CopulaSearch, greedy_cover, normalised_scores, portfolio
from benchmarks.simulator import simulate
from benchmarks.tasks import load_task, load_tasks
from benchmarks.tasks.synthetic import best_config
from metahp.types import TrialStatus

pytestmark = pytest.mark.filterwarnings("ignore:All-NaN slice:RuntimeWarning")  # Ray's ASHA on diverged trials

UNTRAINED = [name for name, method in METHODS.items() if not method.trains]


@pytest.mark.parametrize("name", UNTRAINED)
@pytest.mark.parametrize("task", ["synthetic-conditional/0", "synthetic-diverging/0"])
def test_every_peer_sweeps_conditional_spaces_and_diverging_trainings(name, task, tmp_path):
    task = load_task(task)
    past = past_of(task, "other-tasks", tmp_path, sweeps=2)
    searcher, scheduler = METHODS[name].build(Setting(task, past, seed=1))
    replay = simulate(task, searcher, scheduler, max_reports=60, seed=1)
    assert len(replay.reports) == 60
    assert all(task.space.contains(config) for config in replay.configs)


@pytest.mark.parametrize("name", ["meta", "meta+asha"])
def test_metahp_sweeps_without_a_history(name, tmp_path):
    task = load_task("synthetic-conditional/0")
    searcher, scheduler = METHODS[name].build(Setting(task, Past((), tmp_path), seed=1))
    replay = simulate(task, searcher, scheduler, max_reports=100, seed=1)
    assert len(replay.reports) == 100
    assert not replay.stalled


def test_foresight_stops_whatever_would_not_have_won_and_nothing_else():
    task = load_task("synthetic-diverging/0")
    setting = Setting(task, Past((), None), seed=1)
    searcher = METHODS["random"].build(setting)[0]
    replay = simulate(task, searcher, Foresight(task), workers=1, max_reports=200, seed=1)
    best = -np.inf
    for event in replay.reports:
        scores = np.nan_to_num(task.mode.sign * task.curve(replay.configs[event.trial]).scores, nan=-np.inf)
        best = max(best, scores[event.step - 1])
        assert (event.decision == "STOP") == (max(scores[event.step :], default=-np.inf) <= best)


@pytest.mark.parametrize(("name", "share"), [("meta-audit-0", 0.0), ("meta", 0.04), ("meta-audit-20", 0.2)])
def test_so_much_of_what_is_to_be_stopped_runs_on(name, share, tmp_path):
    task = load_task("synthetic-conditional/0")
    searcher, _ = METHODS[name].build(Setting(task, Past((), tmp_path), seed=1))
    assert searcher.brain.settings.pruning.audit == share


def test_a_past_sweep_is_truncated_like_a_real_one():
    history = past_sweep("synthetic-plain/1")
    lengths = [len(trial.curve) for trial in history.trials]
    assert sum(lengths) == PAST_REPORTS
    assert np.median(lengths) < 10
    assert max(lengths) == 50
    assert {trial.status for trial in history.trials} == {TrialStatus.STOPPED, TrialStatus.COMPLETED}


def test_a_past_never_holds_the_task_itself(tmp_path):
    task = load_task("synthetic-plain/0")
    past = past_of(task, "other-tasks", tmp_path)
    assert [own.sweep.name for own in past.sweeps] == [f"synthetic-plain/{n}" for n in range(1, 6)]
    assert past_of(task, "none", tmp_path).sweeps == ()
    foreign = past_of(task, "other-family", tmp_path, sweeps=3)
    assert len(foreign.sweeps) == 3
    assert not any(own.sweep.name.startswith("synthetic-plain") for own in foreign.sweeps)
    with pytest.raises(ValueError, match="a history is one of none, other-tasks, other-family, starter, got 'all'"):
        past_of(task, "all", tmp_path)


def test_the_store_of_a_past_holds_its_curves(tmp_path):
    task = load_task("synthetic-diverging/0")
    past = past_of(task, "other-tasks", tmp_path, sweeps=2)
    stored = past.store.curves()
    assert {own.sweep.name for own in stored} == {own.sweep.name for own in past.sweeps}
    assert sum(len(t.curve) for own in stored for t in own.trials) == 2 * PAST_REPORTS


def test_a_greedy_cover_takes_what_adds_most():
    table = np.array([[0.9, 0.8, 0.0], [0.1, 0.8, 0.0], [0.0, 0.0, 0.5]])
    assert greedy_cover(table, 3) == [1, 2, 0]
    assert greedy_cover(table, 9) == [1, 2, 0]


def test_a_portfolio_beats_random_configurations():
    task = load_task("synthetic-plain/0")
    configs = portfolio(task.space, [past_sweep(t.name) for t in load_tasks("synthetic-plain")[1:]])
    rng = np.random.default_rng(0)
    random = [task.space.sample(rng) for _ in range(40)]
    reached, drawn = ([task.curve(c).scores[-1] for c in some] for some in (configs[:4], random))
    assert max(reached) > np.quantile(drawn, 0.9)


def test_a_portfolio_of_another_space_is_empty():
    assert portfolio(load_task("synthetic-conditional/0").space, [past_sweep("synthetic-plain/0")]) == []


def test_a_copula_suggests_better_than_random():
    task = load_task("synthetic-plain/0")
    search = CopulaSearch([past_sweep(t.name) for t in load_tasks("synthetic-plain")[1:4]], seed=0)
    replay = simulate(task, search, METHODS["random"].build(Setting(task, Past((), None), 0))[1], num_samples=8)
    rng = np.random.default_rng(0)
    drawn = [task.curve(task.space.sample(rng)).scores[-1] for _ in range(60)]
    assert np.mean([task.curve(config).scores[-1] for config in replay.configs]) > np.quantile(drawn, 0.6)


def test_scores_of_diverged_trials_are_the_worst():
    history = past_sweep("synthetic-diverging/0")
    scores = normalised_scores(history)
    dead = [trial.curve.best(history.sweep.mode) is None for trial in history.trials]
    assert scores.max() == 1.0
    assert np.isfinite(scores).all()
    assert all(scores[dead] == -0.3)


@pytest.mark.parametrize("workers", [1, 4, 16])
def test_halving_trains_so_many_trials_to_each_rung(workers):
    task = load_task("synthetic-plain/0")
    scheduler = BatchHalving([(9, 1), (3, 5), (1, 50)])
    replay = simulate(task, BatchSearch(scheduler, 0), scheduler, workers=workers, max_reports=9 + 3 * 4 + 45)
    lengths = np.bincount([event.trial for event in replay.reports])
    assert sorted(lengths) == [1] * 6 + [5] * 2 + [50]
    first = [task.curve(config).scores[0] for config in replay.configs]
    assert set(np.argsort(first)[-3:]) == set(np.flatnonzero(lengths > 1))


def test_halving_lives_with_trainings_that_die():
    task = load_task("synthetic-diverging/0")
    scheduler = BatchHalving([(27, 30), (3, 50)])
    replay = simulate(task, BatchSearch(scheduler, 3), scheduler, max_reports=1500)
    assert not replay.stalled
    assert "ERROR" in replay.statuses
    assert len(replay.configs) > 27  # a second batch came


def test_a_method_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="no method is called 'magic'; there are random, asha"):
        method_named("magic")


def test_the_optimum_is_in_every_space():
    for task in load_tasks("synthetic"):
        assert task.space.contains(best_config(task))
