"""The simulator calls searchers and schedulers as Tune's controller does."""

import time

import numpy as np
import pytest
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, HyperBandScheduler, MedianStoppingRule, TrialScheduler
from ray.tune.search import ConcurrencyLimiter

from benchmarks.methods.random_search import RandomSearch
from benchmarks.simulator import simulate
from benchmarks.tasks import load_task


def test_one_trial_is_suggested_ahead_and_waits_for_a_worker(line_task, written):
    log, search, scheduler = written()
    simulate(line_task, search, scheduler, workers=2, max_reports=1)
    assert [call for call in log if call[0] in ("suggest", "add")] == [
        ("suggest", "0"),
        ("add", "0"),
        ("suggest", "1"),
        ("add", "1"),
        ("suggest", "2"),
        ("add", "2"),
    ]


def test_a_concurrency_limiter_decides_how_many_are_pending(line_task, written):
    log, search, scheduler = written()
    simulate(line_task, ConcurrencyLimiter(search, max_concurrent=3), scheduler, workers=1, max_reports=1)
    assert [call for call in log if call[0] == "suggest"] == [("suggest", "0"), ("suggest", "1"), ("suggest", "2")]


def test_the_scheduler_hears_of_a_result_first_and_the_searcher_not_of_one_that_stops(line_task, written):
    log, search, scheduler = written({(0, 2): "STOP"})
    simulate(line_task, search, scheduler, workers=1, max_reports=2)
    assert [call for call in log if call[0] not in ("suggest", "add")] == [
        ("schedule", "0", "1", "last 0"),
        ("search result", "0", "1"),
        ("schedule", "0", "2", "last 1"),
        ("schedule complete", "0", "True"),
        ("search complete", "0", "2", "False"),
    ]


def test_stop_criteria_come_before_the_scheduler(line_task, written):
    log, search, scheduler = written()
    simulate(line_task, search, scheduler, workers=1, max_reports=2, stop={"training_iteration": 2})
    assert ("schedule", "0", "1", "last 0") in log
    assert not any(call[:3] == ("schedule", "0", "2") for call in log)
    assert ("search complete", "0", "2", "False") in log


def test_a_training_that_ends_by_itself_repeats_its_last_result(line_task, written):
    log, search, scheduler = written()
    replay = simulate(line_task, search, scheduler, workers=1, num_samples=1)
    assert log[-3:] == [
        ("search result", "0", "4"),
        ("schedule complete", "0", "True"),
        ("search complete", "0", "4", "False"),
    ]
    assert replay.decisions[-1] == (0, 4, "COMPLETE")
    assert replay.statuses == ("TERMINATED",)
    assert not replay.stalled


def test_a_training_that_dies_is_an_error_without_a_result(line_task, written):
    log, search, scheduler = written()
    replay = simulate(line_task, search, scheduler, workers=1, num_samples=4)
    assert log[-2:] == [("schedule error", "3"), ("search complete", "3", "-", "True")]
    assert replay.statuses[3] == "ERROR"
    assert [e.step for e in replay.reports if e.trial == 3] == [1, 2]


def test_a_paused_trial_goes_on_from_its_checkpoint_when_it_is_chosen(line_task, written):
    log, search, scheduler = written({(0, 2): "PAUSE"})
    replay = simulate(line_task, search, scheduler, workers=1, num_samples=2)
    assert [(e.trial, e.step) for e in replay.reports] == [
        (0, 1),
        (0, 2),
        (1, 1),
        (1, 2),
        (1, 3),
        (1, 4),
        (0, 3),
        (0, 4),
    ]
    assert ("search result", "0", "2") in log  # PAUSE, unlike STOP, tells the searcher
    assert replay.statuses == ("TERMINATED", "TERMINATED")
    assert replay.events[-1].time_s == 8.0


def test_a_scheduler_may_stop_a_paused_trial(line_task, written):
    class StopsTheOther(type(written()[2])):
        def on_trial_result(self, tune_controller, trial, result):
            if trial.trial_id.endswith("1"):
                tune_controller.stop_trial(tune_controller.get_trials()[0])
            return super().on_trial_result(tune_controller, trial, result)

    log, search, _ = written()
    replay = simulate(line_task, search, StopsTheOther(log, {(0, 1): "PAUSE"}), workers=1, num_samples=2)
    assert ("schedule remove", "0") in log
    assert ("search complete", "0", "-", "False") in log
    assert [e.step for e in replay.reports if e.trial == 0] == [1]


def test_a_scheduler_may_stop_another_running_trial(line_task, written):
    class StopsTheFirst(type(written()[2])):
        def on_trial_result(self, tune_controller, trial, result):
            if trial.trial_id.endswith("1") and result["training_iteration"] == 2:
                tune_controller.stop_trial(tune_controller.get_trials()[0])
            return super().on_trial_result(tune_controller, trial, result)

    log, search, _ = written()
    replay = simulate(line_task, search, StopsTheFirst(log, {}), workers=2, num_samples=2)
    assert [e.step for e in replay.reports if e.trial == 0] == [1, 2]
    assert [e.step for e in replay.reports if e.trial == 1] == [1, 2, 3, 4]
    assert ("search complete", "0", "2", "False") in log


def test_a_searcher_with_nothing_to_suggest_is_asked_again_and_then_given_up(line_task, written):
    log, search, scheduler = written()
    search.suggest = lambda trial_id: log.append(("suggest", trial_id[-1]))
    replay = simulate(line_task, search, scheduler, max_reports=10)
    assert replay.stalled
    assert len(log) > 100


def test_finished_ends_the_sweep(line_task, written):
    _, search, scheduler = written()
    suggest = search.suggest
    search.suggest = lambda trial_id: suggest(trial_id) if search.asked < 3 else "FINISHED"
    replay = simulate(line_task, search, scheduler, workers=2, max_reports=100)
    assert replay.statuses == ("TERMINATED",) * 3
    assert not replay.stalled


def test_nan_reaches_the_scheduler_as_it_is(line_task, written):
    _, search, _ = written()
    replay = simulate(line_task, search, ASHAScheduler(max_t=4, grace_period=1, reduction_factor=2), num_samples=8)
    assert [e.step for e in replay.reports if e.trial == 5 and np.isnan(e.score)] == [1, 2, 3, 4]


def test_an_unknown_decision_is_refused(line_task, written):
    _, search, scheduler = written({(0, 1): "PERHAPS"})
    with pytest.raises(ValueError, match="WritingScheduler decided 'PERHAPS'"):
        simulate(line_task, search, scheduler, max_reports=1)


def test_a_sweep_needs_a_budget(line_task, written):
    _, search, scheduler = written()
    with pytest.raises(ValueError, match="max_reports or num_samples"):
        simulate(line_task, search, scheduler)


@pytest.mark.parametrize(
    "make",
    [
        FIFOScheduler,
        lambda: ASHAScheduler(max_t=50, brackets=3),
        lambda: HyperBandScheduler(max_t=50),
        lambda: MedianStoppingRule(time_attr="training_iteration", grace_period=2),
    ],
    ids=["fifo", "asha", "hyperband", "median"],
)
def test_the_same_seed_takes_the_same_decisions(make: type[TrialScheduler]) -> None:
    task = load_task("synthetic-crossing/1")
    first, second, other = (
        simulate(task, RandomSearch(seed), make(), max_reports=300, seed=seed) for seed in (1, 1, 2)
    )
    assert first.decisions == second.decisions
    assert first.configs == second.configs
    assert first.decisions != other.decisions or first.configs != other.configs
    assert len(first.reports) == 300


def test_a_sweep_leaves_the_global_generators_alone() -> None:
    np.random.seed(3)
    expected = np.random.random()
    np.random.seed(3)
    simulate(load_task("synthetic-plain/0"), RandomSearch(0), ASHAScheduler(max_t=50), max_reports=50)
    assert np.random.random() == expected


def test_it_is_fast_enough() -> None:
    task = load_task("synthetic-plain/0")
    simulate(task, RandomSearch(0), FIFOScheduler(), max_reports=5000)  # makes the curves
    began = time.process_time()  # of this process alone: others may keep the cores busy
    simulate(task, RandomSearch(0), FIFOScheduler(), max_reports=5000)
    # 100,000 to 200,000 a second on the machine where 50,000 were asked for; slack for a slower one.
    assert 5000 / (time.process_time() - began) > 15_000
