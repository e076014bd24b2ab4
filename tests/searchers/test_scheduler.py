"""MetaScheduler beyond the contract: it stops, pauses only what can go on, and comes back from restarts."""

import math
import pickle
import time
from pathlib import Path
from typing import Any

import pytest
from ray.tune.experiment import Trial

from metahp.errors import RecordError
from metahp.pruning import Pruner, Pruning
from metahp.store import Store
from metahp.sweep_losses import GRID
from metahp.types import Action, Decision, TrialStatus
from metahp_searchers import MetaScheduler, MetaSearch
from metahp_searchers.testing import (
    METRIC,
    MODE,
    FakeController,
    fake_trial,
    running_trials,
    small_space,
    suggest,
)


def started(**arguments: Any) -> MetaScheduler:
    scheduler = MetaScheduler(**{"pruning": Pruning(audit=0.0)} | arguments)
    assert scheduler.set_search_properties(METRIC, MODE, stop={"training_iteration": 9}, num_samples=20)
    return scheduler


def test_bad_trials_are_stopped_and_the_best_one_is_not() -> None:
    scheduler, controller = started(), FakeController()
    for _ in running_trials(controller, scheduler, count=6, steps=9):  # good ones come first: all run
        pass
    bad = controller.add(scheduler, "bad", Trial.RUNNING)
    answers = [
        scheduler.on_trial_result(controller, bad, {METRIC: -5.0, "training_iteration": step}) for step in range(1, 9)
    ]
    assert "STOP" in answers
    assert "1 trials stopped early" in scheduler.debug_string()
    best = controller.add(scheduler, "best", Trial.RUNNING)
    answers = [
        scheduler.on_trial_result(controller, best, {METRIC: 50.0 + step, "training_iteration": step})
        for step in range(1, 9)
    ]
    assert set(answers) == {"CONTINUE"}


def test_who_wants_no_false_prunes_gets_no_prunes() -> None:
    search = MetaSearch(None, metric=METRIC, mode=MODE, pruning=Pruning(max_false_prunes=0.0))
    assert search.set_search_properties(METRIC, MODE, small_space(), num_samples=20)
    scheduler, controller = MetaScheduler(search), FakeController()
    assert scheduler.set_search_properties(METRIC, MODE)
    for number in range(6):
        assert suggest(search, f"t{number}")
        trial = controller.add(scheduler, f"t{number}", Trial.RUNNING)
        for step in range(1, 9):
            result = {METRIC: 1.0 if number < 5 else -5.0, "training_iteration": step}
            assert scheduler.on_trial_result(controller, trial, result) == "CONTINUE"


def test_a_full_training_ends_without_being_cut_short() -> None:
    scheduler, controller = started(max_t=3), FakeController()
    trial = controller.add(scheduler, "a", Trial.RUNNING)
    answers = [scheduler.on_trial_result(controller, trial, {METRIC: 0.1, "training_iteration": s}) for s in (1, 2, 3)]
    assert answers == ["CONTINUE", "CONTINUE", "STOP"]
    scheduler.on_trial_complete(controller, trial, {METRIC: 0.1, "training_iteration": 3})
    assert scheduler.brain._roster.trials[0].status is TrialStatus.COMPLETED


def pausing(at_once: Any, *, pause: bool = True, trials: int = 9) -> tuple[MetaSearch, MetaScheduler]:
    search = MetaSearch(None, pause=pause, pruning=Pruning(audit=0.0), seed=0)
    scheduler = MetaScheduler(search)
    assert search.set_search_properties(
        METRIC, MODE, small_space(), stop={"training_iteration": 27}, num_samples=trials
    )
    if at_once is not None:
        search.set_max_concurrency(at_once)
    return search, scheduler


def force(monkeypatch: pytest.MonkeyPatch) -> None:
    """A predictor that would have every trial paused, and none of them go on before a new one."""
    decision = Decision(Action.PAUSE, "another one promises more")
    monkeypatch.setattr("metahp.freezing.decide", lambda *arguments: decision)


def test_without_a_checkpoint_of_this_very_result_no_trial_is_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    force(monkeypatch)
    (_, scheduler), controller = pausing(2), FakeController()
    trial = controller.add(scheduler, "a", Trial.RUNNING)
    for step, saved in ((1, {}), (2, {"should_checkpoint": False}), (3, {"should_checkpoint": True})):
        result = {METRIC: 0.1, "training_iteration": step, **saved}
        answer = scheduler.on_trial_result(controller, trial, result)
        assert answer == ("PAUSE" if step == 3 else "CONTINUE")


@pytest.mark.parametrize(("at_once", "pause"), [(None, True), (2, False)])
def test_nor_without_a_limit_or_where_it_is_off(monkeypatch: pytest.MonkeyPatch, at_once: Any, pause: bool) -> None:
    force(monkeypatch)
    (_, scheduler), controller = pausing(at_once, pause=pause), FakeController()
    trial = controller.add(scheduler, "a", Trial.RUNNING)
    result = {METRIC: 0.1, "training_iteration": 1, "should_checkpoint": True}
    assert scheduler.on_trial_result(controller, trial, result) == "CONTINUE"


def test_a_paused_trial_makes_room_and_goes_on_when_it_is_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    (search, scheduler), controller = pausing(1, trials=2), FakeController()
    first = controller.add(scheduler, "a", Trial.RUNNING, suggest(search, "a"))
    assert search.suggest("b") is None  # no room
    force(monkeypatch)
    result = {METRIC: 0.1, "training_iteration": 1, "should_checkpoint": True}
    assert scheduler.on_trial_result(controller, first, result) == "PAUSE"
    search.on_trial_result(trial_id="a", result=dict(result))  # Tune tells the searcher after that
    first.status = Trial.PAUSED
    monkeypatch.setattr("metahp.freezing.next_up", lambda *arguments: None)  # a new one promises more
    assert scheduler.choose_trial_to_run(controller) is None
    second = controller.add(scheduler, "b", Trial.PENDING, suggest(search, "b"))
    assert scheduler.choose_trial_to_run(controller) is second
    second.status = Trial.RUNNING
    monkeypatch.undo()
    assert search.suggest("c") == "FINISHED"
    assert scheduler.choose_trial_to_run(controller) is None  # the only worker is busy
    scheduler.on_trial_complete(controller, second, {METRIC: 0.9, "training_iteration": 27})
    second.status = Trial.TERMINATED
    assert all(scheduler.choose_trial_to_run(controller) is first for _ in range(3))  # none stays paused for good
    first.status = Trial.PENDING
    assert scheduler.choose_trial_to_run(controller) is first


def test_while_a_paused_trial_promises_more_no_new_one_is_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    force(monkeypatch)
    (search, scheduler), controller = pausing(1), FakeController()
    trial = controller.add(scheduler, "a", Trial.RUNNING, suggest(search, "a"))
    scheduler.on_trial_result(controller, trial, {METRIC: 0.1, "training_iteration": 1, "should_checkpoint": True})
    trial.status = Trial.PAUSED
    chosen = scheduler.brain._roster.get("a")
    monkeypatch.setattr("metahp.freezing.next_up", lambda *arguments: chosen)
    assert search.suggest("b") is None
    assert scheduler.choose_trial_to_run(controller) is trial
    assert search.suggest("b") is None  # its place is taken


def test_one_brain_for_both_also_after_a_restart() -> None:
    search = MetaSearch(None)
    scheduler = MetaScheduler(search)
    search, scheduler = pickle.loads(pickle.dumps((search, scheduler)))  # as tuner.pkl holds them
    assert scheduler.brain is search.brain
    assert search.set_search_properties(METRIC, MODE, small_space())
    assert scheduler.set_search_properties(METRIC, MODE)
    suggest(search, "a")
    trial = fake_trial("a", Trial.RUNNING)
    scheduler.on_trial_result(FakeController(), trial, {METRIC: 0.1, "training_iteration": 1})
    assert len(search.brain._roster.trials[0].curve) == 1


def test_restoring_the_searcher_keeps_them_together(tmp_path: Path) -> None:
    search = MetaSearch(None)
    search.set_search_properties(METRIC, MODE, small_space())
    suggest(search, "a")
    search.save(str(tmp_path / "state"))
    other = MetaSearch(None)
    scheduler = MetaScheduler(other)
    other.restore(str(tmp_path / "state"))
    assert scheduler.brain is other.brain
    assert scheduler.brain.knows("a")


def test_it_comes_back_from_the_store(tmp_path: Path) -> None:
    scheduler, controller = started(store=tmp_path / "store", name="sweep"), FakeController()
    pristine = pickle.dumps(MetaScheduler(store=tmp_path / "store"))
    scheduler = pickle.loads(pristine)
    assert scheduler.set_search_properties(METRIC, MODE, stop={"training_iteration": 9}, num_samples=20)
    for trial, result in running_trials(controller, scheduler, count=5, steps=4):
        if result["training_iteration"] == 1:
            scheduler.brain.trial_started(trial.trial_id, trial.config, restored=False)
        scheduler.brain.trial_reported(trial.trial_id, result, done=False)
    scheduler.brain.close()
    restored = pickle.loads(pristine)
    assert restored.set_search_properties(METRIC, MODE, num_samples=1)  # Tune's wrong number
    assert restored.brain.sweep == scheduler.brain.sweep
    assert [len(t.curve) for t in restored.brain._roster.trials] == [4] * 5


def test_without_a_store_it_comes_back_from_what_tune_knows() -> None:
    scheduler, controller = started(), FakeController()
    ended = fake_trial("ended", Trial.TERMINATED)
    ended.run_metadata.last_result = {METRIC: 0.9, "training_iteration": 4}
    scheduler.on_trial_add(controller, ended)
    (known,) = scheduler.brain._roster.trials
    assert known.status is TrialStatus.COMPLETED
    assert known.curve.last_step == 4


def test_a_trial_that_finished_after_the_snapshot_is_not_run_again(tmp_path: Path) -> None:
    search = MetaSearch(tmp_path / "store")
    search.set_search_properties(METRIC, MODE, small_space(), num_samples=3)
    config = suggest(search, "a")
    search.brain.trial_started("a", config, restored=False)
    search.save(str(tmp_path / "state"))
    search.brain.trial_reported("a", {METRIC: 0.8, "training_iteration": 3}, done=False)
    search.brain.trial_ended("a")
    search.brain.close()

    restored = MetaSearch(tmp_path / "store")
    scheduler = MetaScheduler(restored)
    restored.restore(str(tmp_path / "state"))
    trial = fake_trial("a", Trial.PENDING, config)
    scheduler.on_trial_add(FakeController(), trial)
    assert trial.status == Trial.TERMINATED
    assert trial.last_result[METRIC] == 0.8
    assert trial.last_result["done"]
    assert restored.brain._roster.live == frozenset()
    failed = fake_trial("b", Trial.PENDING, config)
    scheduler.on_trial_add(FakeController(), failed)
    assert failed.status == Trial.PENDING


class BrokenPolicy:
    def __init__(self, predictor: Any, max_false_prunes: float, threshold: float | None, version: str | None) -> None:
        pass

    def decide(self, *arguments: Any) -> Any:
        raise ZeroDivisionError


def test_a_broken_predictor_stops_no_trial(monkeypatch: Any, caplog: Any) -> None:
    monkeypatch.setattr("metahp_searchers.brain.Policy", BrokenPolicy)
    scheduler, controller = started(), FakeController()
    trial = controller.add(scheduler, "a", Trial.RUNNING)
    answers = {scheduler.on_trial_result(controller, trial, {METRIC: 1, "training_iteration": s}) for s in (1, 2)}
    assert answers == {"CONTINUE"}
    assert caplog.text.count("the predictor failed to decide; trials go on") == 1


def test_decisions_are_quick() -> None:
    scheduler, controller, times = started(), FakeController(), []
    for trial, result in running_trials(controller, scheduler, count=30, steps=8):
        begin = time.perf_counter()
        scheduler.on_trial_result(controller, trial, result)
        times.append(time.perf_counter() - begin)
    assert sorted(times)[len(times) // 2] < 0.005


def test_metric_and_mode_are_said_once() -> None:
    with pytest.raises(RecordError, match="MetaScheduler needs a metric and a mode, got metric='loss', mode=None"):
        MetaScheduler().set_search_properties("loss", None)
    assert MetaScheduler(metric="loss", mode="min").set_search_properties(None, None)
    assert MetaScheduler(metric="loss", mode="min").set_search_properties("loss", "min") is False
    with pytest.raises(RecordError, match=r"MetaScheduler\(search\) takes \['store'\] from the searcher"):
        MetaScheduler(MetaSearch(None), store="~/sweeps")


def test_a_diverged_trial_is_data(tmp_path: Path) -> None:
    scheduler, controller = started(store=Store(tmp_path / "store")), FakeController()
    trial = controller.add(scheduler, "a", Trial.RUNNING)
    scheduler.on_trial_result(controller, trial, {METRIC: math.nan, "training_iteration": 1})
    assert math.isnan(scheduler.brain._roster.trials[0].curve.values[0])


def test_results_are_not_buffered() -> None:
    assert MetaScheduler().supports_buffered_results is False


@pytest.mark.parametrize(
    ("allowed", "said"), [(0.01, "too little is known to certify"), (0.3, "is certified: at most 30% of sweeps")]
)
def test_a_guarantee_stops_by_what_is_certified_and_says_why(
    caplog: Any, tmp_path: Path, allowed: float, said: str
) -> None:
    store = Store(tmp_path / "store", spool_dir=tmp_path / "spool")
    search = MetaSearch(store, max_t=9, seed=0, pruning=Pruning(max_false_prunes=allowed, guarantee=0.9))
    search.set_search_properties(METRIC, MODE, small_space())
    search.brain.prepare()
    assert search.brain._policy is not None
    assert (search.brain._policy.threshold == GRID[0]) == (allowed < 0.1)
    assert said in caplog.text


def test_a_shadow_sweep_takes_the_usual_decisions_as_they_are_the_evidence(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", spool_dir=tmp_path / "spool")
    search = MetaSearch(store, max_t=9, seed=0, pruning=Pruning("shadow", guarantee=0.9))
    search.set_search_properties(METRIC, MODE, small_space())
    search.brain.prepare()
    assert search.brain._policy is not None
    assert search.brain._policy.threshold is None


def test_who_decides_is_said_once_each(caplog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    open_at = iter([True, False, False, True, True, False])
    state = {"open": True}
    monkeypatch.setattr(Pruner, "is_open", property(lambda self: state["open"]))
    scheduler, controller = started(max_t=9), FakeController()
    trial = controller.add(scheduler, "a", Trial.RUNNING)
    for step, state["open"] in enumerate(open_at, 1):
        scheduler.on_trial_result(controller, trial, {METRIC: 0.1, "training_iteration": step})
        assert caplog.text.count("ASHA decides until predictions hold again") == (step > 1)
        assert caplog.text.count("predictions decide") == (step > 3)


def test_under_a_guarantee_nobody_stands_in_for_predictions_that_fail(
    caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Pruner, "is_open", property(lambda self: False))
    scheduler, controller = started(max_t=9, pruning=Pruning(guarantee=0.9)), FakeController()
    trial = controller.add(scheduler, "a", Trial.RUNNING)
    scheduler.on_trial_result(controller, trial, {METRIC: 0.1, "training_iteration": 1})
    assert "none is stopped until predictions hold again" in caplog.text
