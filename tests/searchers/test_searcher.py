"""MetaSearch beyond the contract: what it saves, what it goes on with, what it says."""

import json
import logging
import pickle
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ray import tune
from ray.tune.search import ConcurrencyLimiter

from metahp.errors import RecordError, SearchSpaceError, StoreConflictError, StoreError, StoreVersionError
from metahp.space import Float, SearchSpace
from metahp.store import Store, TrialEvent
from metahp.types import Measurement, Sweep, TrialStatus, parse_mode
from metahp_searchers import MetaSearch
from metahp_searchers.snapshot import Snapshot
from metahp_searchers.testing import METRIC, MODE, contract_space, dialogue, small_space, suggest

Start = Callable[..., MetaSearch]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    def started(store: Any = tmp_path / "store", *, num_samples: int = 100, **arguments: Any) -> MetaSearch:
        search = MetaSearch(store, **{"seed": 0, **arguments})
        assert search.set_search_properties(METRIC, MODE, small_space(), stop=None, num_samples=num_samples)
        return search

    return started


def test_it_counts_running_trials_itself(start: Start) -> None:
    limiter = ConcurrencyLimiter(search := start(), max_concurrent=2)
    assert limiter._limit_concurrency is False
    assert [limiter.suggest(t) is None for t in ("a", "b", "c")] == [False, False, True]
    limiter.on_trial_complete("a", {METRIC: 0.1, "training_iteration": 1})
    assert suggest(limiter, "c")
    assert search.brain.limit == 2


def test_it_is_finished_with_enough_trials(start: Start) -> None:
    search = start(num_samples=2)
    assert [search.suggest(t) == "FINISHED" for t in ("a", "b", "c")] == [False, False, True]
    assert suggest(search, "a")  # asked again about one it knows


def test_what_it_saves_is_small_json_with_all_it_needs(start: Start, tmp_path: Path) -> None:
    search = start()
    dialogue(search, 6)
    search.save(str(tmp_path / "state"))
    assert (tmp_path / "state").stat().st_size < 6_000
    json.loads((tmp_path / "state").read_text())
    restored = MetaSearch(tmp_path / "store")
    restored.restore(str(tmp_path / "state"))  # without set_search_properties, as Tune does it
    assert (restored.metric, restored.mode) == (METRIC, MODE)
    assert restored.brain.sweep == search.brain.sweep
    text = search.brain.snapshot().to_json()
    assert Snapshot.from_json(text).to_json() == restored.brain.snapshot().to_json() == text
    assert suggest(restored, "new") == suggest(search, "new")


def test_no_model_and_no_handle_is_pickled(start: Start) -> None:
    search = start()
    dialogue(search, 3)
    assert search.brain._policy is not None
    copy = pickle.loads(data := pickle.dumps(search))
    assert len(data) < 10_000
    assert copy.brain._policy is None
    assert b"keras" not in data


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 99}', '{"version": 1}', b"\xff\xfe"])
def test_a_broken_state_raises_nothing(start: Start, tmp_path: Path, text: Any, caplog: Any) -> None:
    (tmp_path / "state").write_bytes(text if isinstance(text, bytes) else text.encode())
    search = start()
    search.restore(str(tmp_path / "state"))
    assert "the searcher's state could not be restored" in caplog.text
    assert suggest(search, "a")
    MetaSearch(None).restore(str(tmp_path / "there is no such file"))


def record(search: MetaSearch, trial_id: str, *, steps: int = 3, over: bool = True) -> None:
    """What the callback does for one trial."""
    config = suggest(search, trial_id)
    search.brain.trial_started(trial_id, config, restored=False)
    for step in range(1, steps + 1):
        search.brain.trial_reported(trial_id, {METRIC: step / 10, "training_iteration": step}, done=False)
    if over:
        search.brain.trial_ended(trial_id)


def test_without_a_state_the_store_remembers(start: Start, tmp_path: Path) -> None:
    pristine = pickle.dumps(search := start(num_samples=4))
    record(search, "a")
    record(search, "b", over=False)
    search.brain.close()
    restored = pickle.loads(pristine)
    restored.brain.sweep = None
    restored.restore(str(tmp_path / "there is no such file"))
    assert (restored.metric, restored.mode) == (METRIC, MODE)
    assert restored.brain.knows("a")
    assert restored.brain.knows("b")


def test_trials_that_finished_after_the_snapshot_count_and_lost_ones_come_again(start: Start, tmp_path: Path) -> None:
    pristine = pickle.dumps(search := start(num_samples=5))
    record(search, "seen")
    record(search, "running", over=False)
    search.save(str(tmp_path / "state"))
    search.brain.trial_ended("running")  # after the snapshot
    record(search, "finished later")
    record(search, "lost", over=False)
    lost = search.brain._roster.get("lost")
    assert lost is not None
    search.brain.close()

    restored = pickle.loads(pristine)
    restored.restore(str(tmp_path / "state"))
    assert restored.brain.left_over("running") is not None
    assert restored.brain.left_over("seen") is None
    assert suggest(restored, "x1") == lost.config
    assert suggest(restored, "x2") not in [t.config for t in search.brain._roster.trials]
    assert restored.suggest("x3") == "FINISHED"  # 5: seen, running, finished later, lost, x2
    restored.brain.trial_started("x1", suggest(restored, "x1"), restored=False)
    restored.brain.close()
    attempts = [
        (row["trial_id"], row["attempt"])
        for batch in Store(tmp_path / "store").scan("trials")
        for row in batch.to_pylist()
        if row["event"] == TrialEvent.STARTED
    ]
    assert attempts == [("seen", 1), ("running", 1), ("finished later", 1), ("lost", 1), ("lost", 2)]


def test_a_sweep_of_the_store_goes_on(start: Start, tmp_path: Path) -> None:
    first = start(num_samples=3)
    record(first, "a")
    record(first, "b", over=False)
    first.brain.close()
    again = start(num_samples=3, sweep_id=first.brain.sweep_id)
    assert suggest(again, "new1") == suggest(first, "b")
    assert suggest(again, "new2")
    assert again.suggest("new3") == "FINISHED"
    record(again, "new1")
    again.brain.close()
    history = Store(tmp_path / "store").history(first.brain.sweep_id)
    assert {t.trial_id: len(t.curve) for t in history.trials} == {"a": 3, "b": 3}


def test_a_trial_that_made_its_last_report_is_complete(start: Start, tmp_path: Path) -> None:
    first = start(num_samples=2, max_t=3)
    record(first, "a", steps=3, over=False)  # the driver died before it heard of the end
    first.brain.close()
    again = start(num_samples=2, max_t=3, sweep_id=first.brain.sweep_id)
    assert suggest(again, "b") != suggest(first, "a")
    assert again.suggest("c") == "FINISHED"
    again.brain.close()
    (trial,) = Store(tmp_path / "store").history(first.brain.sweep_id).trials
    assert trial.status is TrialStatus.COMPLETED


def test_another_space_is_no_continuation(start: Start) -> None:
    first = start()
    record(first, "a")
    first.brain.close()
    other = MetaSearch(first.brain.settings.store, sweep_id=first.brain.sweep_id)
    with pytest.raises(StoreConflictError, match="known with another space"):
        other.set_search_properties(METRIC, MODE, {"x": tune.uniform(0, 1)})
    with pytest.raises(RecordError, match="can only go on with the sweep 'abc' of a store, got store=None"):
        MetaSearch(None, sweep_id="abc")


def test_a_searcher_used_again_begins_a_new_sweep(start: Start) -> None:
    search = start()
    dialogue(search, 2)
    before = search.brain.sweep_id
    assert search.set_search_properties(METRIC, MODE, small_space(), num_samples=5)
    assert search.brain.sweep_id != before
    assert search.brain._roster.trials == ()


class BrokenPredictor:
    def condition(self, sweep: Any, trials: Any) -> Any:
        raise FloatingPointError("nan in the posterior")


def test_a_broken_predictor_costs_one_message(monkeypatch: Any, start: Start, caplog: Any) -> None:
    monkeypatch.setattr("metahp_searchers.brain.PriorPredictor", BrokenPredictor)
    configs = dialogue(start(None), 20)
    assert all(contract_space().contains(config) for config in configs)
    assert len({str(config) for config in configs}) == 20
    assert caplog.text.count("the predictor failed to suggest; random configurations are used instead") == 1


def test_training_that_fails_costs_one_message(monkeypatch: Any, start: Start, caplog: Any) -> None:
    def fail(store: Store, seed: int, *, exclude: Any) -> Any:
        raise MemoryError("no room")

    monkeypatch.setattr("metahp_searchers.brain.up_to_date", fail)
    assert len(dialogue(start(), 3)) == 3
    assert caplog.text.count("no predictor came out of the store") == 1


def test_metric_and_mode_are_needed() -> None:
    with pytest.raises(
        RecordError, match="MetaSearch needs a metric and a mode, got metric=None, mode=None; give both"
    ):
        MetaSearch(None).set_search_properties(None, None, small_space())
    with pytest.raises(RecordError, match="mode must be 'min' or 'max', got 'best'"):
        MetaSearch(None, mode="best")
    assert MetaSearch(None, metric=METRIC, mode=MODE).set_search_properties(None, None, small_space())


def test_a_space_of_its_own(tmp_path: Path) -> None:
    search = MetaSearch(None, space=SearchSpace({"x": Float(0, 1)}), metric=METRIC, mode=MODE)
    assert 0 <= suggest(search, "a")["x"] <= 1  # Tune tells nothing where there is no param_space
    assert search.set_search_properties(METRIC, MODE, {"constant": 3})
    assert search.set_search_properties(METRIC, MODE, small_space()) is False
    with pytest.raises(SearchSpaceError, match="nothing to search; give Tuner a param_space"):
        MetaSearch(None).suggest("a")
    with pytest.raises(SearchSpaceError, match="'x': grid_search leaves a searcher nothing to choose"):
        MetaSearch(None).set_search_properties(METRIC, MODE, {"x": tune.grid_search([1, 2])})


def test_a_full_training_is_what_tune_stops_at(start: Start) -> None:
    search = MetaSearch(None)
    search.set_search_properties(METRIC, MODE, small_space(), stop={"training_iteration": 7}, num_samples=1)
    assert search.brain.max_step == 7
    search = MetaSearch(None, max_t=9)
    search.set_search_properties(METRIC, MODE, small_space(), stop={"training_iteration": 7}, num_samples=1)
    assert search.brain.max_step == 9


def test_the_first_result_without_the_metric_says_what_there_is(start: Start, caplog: Any) -> None:
    search = start()
    suggest(search, "a")
    for step in (1, 2):
        search.on_trial_result("a", {"val_acc": 0.5, "loss": 1.0, "training_iteration": step, "config/lr": 1})
    assert caplog.text.count("a result lacks the metric 'score'; it holds ['loss', 'val_acc']") == 1


def test_a_store_that_cannot_be_used_is_refused_before_anything_runs(tmp_path: Path) -> None:
    Store(tmp_path / "store")
    description = tmp_path / "store" / "STORE.json"
    newer = {**json.loads(description.read_text()), "format_version": 99, "min_reader_version": 99}
    description.write_text(json.dumps(newer))
    with pytest.raises(StoreVersionError):
        MetaSearch(tmp_path / "store")
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        MetaSearch(tmp_path / "file")


def test_history_of_the_store_is_used(tmp_path: Path, monkeypatch: Any) -> None:
    asked: list[Store] = []
    monkeypatch.setattr("metahp_searchers.brain.up_to_date", lambda store, exclude: asked.append(store))
    search = MetaSearch(tmp_path / "store", seed=3)
    search.set_search_properties(METRIC, MODE, small_space())
    search.on_trial_result("x", {METRIC: 1})
    assert asked == []  # not before the first suggestion, and never for a result
    suggest(search, "a")
    suggest(search, "b")
    assert [store.path for store in asked] == [tmp_path / "store"]


def test_hooks_are_quick(tmp_path: Path) -> None:
    search = MetaSearch(store := Store(tmp_path / "store"), max_t=20)
    search.set_search_properties(METRIC, MODE, small_space(), num_samples=1000)
    sweep = search.brain.sweep
    assert isinstance(sweep, Sweep)
    assert parse_mode(MODE) is sweep.mode
    for number in range(40):
        suggest(search, f"t{number}")
        for step in range(1, 11):
            search.on_trial_result(f"t{number}", {METRIC: number / 40, "training_iteration": step})
        search.on_trial_complete(f"t{number}", {METRIC: number / 40, "training_iteration": 10})
    suggest(search, "last")
    times = []
    for step in range(1, 21):
        begin = time.perf_counter()
        search.on_trial_result("last", {METRIC: 0.5, "training_iteration": step})
        times.append(time.perf_counter() - begin)
    assert sorted(times)[10] < 0.005
    assert store.sweeps() == []


def test_measurements_reach_the_store_with_the_library_logging_quiet(start: Start, tmp_path: Path, caplog: Any) -> None:
    caplog.set_level(logging.WARNING)
    search = start()
    record(search, "a")
    search.brain.close()
    (trial,) = Store(tmp_path / "store").history(search.brain.sweep_id).trials
    assert trial.curve.measurements[-1] == Measurement(3, 0.3, trial.curve.measurements[-1].elapsed_s)
    assert caplog.text == ""
