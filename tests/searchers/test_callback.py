"""StoreCallback on trials that Tune would show it: what it writes, and that it never raises."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from ray import tune
from ray.tune.experiment import Trial
from ray.tune.utils.callback import _create_default_callbacks

from metahp.errors import StoreError
from metahp.space import Categorical, Float, SearchSpace
from metahp.store import Store
from metahp.store.writer import SweepWriter
from metahp.types import SweepHistory, TrialStatus
from metahp_searchers import MetaSearch, StoreCallback, tune_run
from metahp_searchers.testing import METRIC, MODE, fake_trial, small_space, suggest


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def callback(store: Store) -> StoreCallback:
    made = StoreCallback(store, metric=METRIC, mode=MODE, name="by hand", max_t=3, task={"kind": "test"})
    made.setup(stop=None, num_samples=3, total_num_samples=3)
    return made


def run(
    callback: StoreCallback, trial: Trial, *, steps: int = 3, done_at: int | None = None, end: str = "complete"
) -> None:
    """One attempt, in the order of Tune's calls."""
    about: dict[str, Any] = {"iteration": 1, "trials": [trial], "trial": trial}
    callback.on_trial_start(**about)
    for step in range(1, steps + 1):
        result = {METRIC: step / 10, "training_iteration": step, "done": step == done_at, "time_total_s": float(step)}
        callback.on_trial_result(**about, result=result)
    if end:
        getattr(callback, f"on_trial_{end}")(**about)


def only_sweep(store: Store) -> SweepHistory:
    (history,) = store.curves()
    return history


def test_a_run_without_metahp_is_recorded(callback: StoreCallback, store: Store) -> None:
    config = {"lr": 0.1, "drawn": 7, "object": len}
    run(callback, fake_trial("a", Trial.RUNNING, config))
    run(callback, fake_trial("b", Trial.RUNNING, config), steps=2, done_at=2)  # stopped by a scheduler
    run(callback, fake_trial("c", Trial.RUNNING, config), steps=3, done_at=3)  # stopped at max_t
    run(callback, fake_trial("d", Trial.RUNNING, config), steps=1, end="error")
    callback.on_experiment_end(trials=[])
    history = only_sweep(store)
    assert (history.sweep.metric, str(history.sweep.mode), history.sweep.max_step) == (METRIC, MODE, 3)
    assert (history.sweep.name, history.sweep.task) == ("by hand", {"kind": "test"})
    assert [(t.trial_id, t.status, len(t.curve)) for t in history.trials] == [
        ("a", TrialStatus.COMPLETED, 3),
        ("b", TrialStatus.STOPPED, 2),
        ("c", TrialStatus.COMPLETED, 3),
        ("d", TrialStatus.ERRORED, 1),
    ]
    assert history.trials[0].config == {"lr": 0.1, "drawn": 7, "object": "<builtins.len>"}
    assert history.trials[0].curve.elapsed_s.tolist() == [1.0, 2.0, 3.0]


def test_a_trial_that_is_tried_again_is_a_new_attempt(callback: StoreCallback, store: Store) -> None:
    trial = fake_trial("a", Trial.RUNNING, {"lr": 0.1})
    run(callback, trial, steps=2, end="recover")
    run(callback, trial, steps=3)
    run(callback, trial, steps=3)  # delivered again, as after a restored run
    callback.on_experiment_end(trials=[])
    keys = [(r["attempt"], r["step"]) for batch in store.scan("results") for r in batch.to_pylist()]
    assert sorted(keys) == [(1, 1), (1, 2), (2, 1), (2, 2), (2, 3), (3, 1), (3, 2), (3, 3)]
    assert len(only_sweep(store).trials[0].curve) == 3


def test_broken_results_are_survived(callback: StoreCallback, store: Store, caplog: Any) -> None:
    trial = fake_trial("a", Trial.RUNNING, {"lr": 0.1})
    about: dict[str, Any] = {"iteration": 1, "trials": [trial], "trial": trial}
    callback.on_trial_result(**about, result={METRIC: 1.0, "training_iteration": 1})  # never started
    callback.on_trial_complete(**about)
    callback.on_trial_start(**about)
    for result in ({}, {METRIC: "x", "training_iteration": 2}, {METRIC: 1}, {"training_iteration": 1, 3: object()}):
        callback.on_trial_result(**about, result=result)
    callback.on_trial_result(**about, result=None)  # type: ignore[arg-type]
    callback.on_trial_complete(**about)
    callback.on_experiment_end(trials=[])
    assert len(only_sweep(store).trials[0].curve) == 2


def test_a_full_disk_does_not_stop_the_sweep(
    callback: StoreCallback, store: Store, monkeypatch: Any, caplog: Any
) -> None:
    good, broken = fake_trial("a", Trial.RUNNING, {"lr": 1}), fake_trial("b", Trial.RUNNING, {"lr": 2})
    run(callback, good, steps=2, end="")
    record = SweepWriter.record

    def refuse(*arguments: Any, **options: Any) -> Any:
        raise StoreError("cannot record a result at /s: No space left on device")

    monkeypatch.setattr(SweepWriter, "record", refuse)
    run(callback, broken, steps=3)
    monkeypatch.setattr(SweepWriter, "record", record)
    callback.on_experiment_end(trials=[])
    assert {t.trial_id: len(t.curve) for t in only_sweep(store).trials} == {"a": 2, "b": 3}
    assert caplog.text.count("No space left on device") == 1


def test_without_a_metric_it_says_what_to_set(store: Store, monkeypatch: Any, caplog: Any) -> None:
    callback = StoreCallback(store)
    callback.setup()
    run(callback, fake_trial("a", Trial.RUNNING))
    assert caplog.text.count("set METAHP_METRIC and METAHP_MODE, or give them to TuneConfig") == 1
    monkeypatch.setenv("METAHP_METRIC", METRIC)
    monkeypatch.setenv("METAHP_MODE", MODE)
    callback = StoreCallback(store, name="by environment")
    callback.setup()
    run(callback, fake_trial("b", Trial.RUNNING))
    callback.on_experiment_end(trials=[])
    assert only_sweep(store).sweep.metric == METRIC


def test_with_neither_store_nor_brain_it_does_nothing(caplog: Any) -> None:
    callback = StoreCallback()
    callback.setup()
    run(callback, fake_trial("a", Trial.RUNNING))
    callback.on_experiment_end(trials=[])
    assert caplog.text == ""


def test_a_store_that_cannot_be_opened_is_one_message(tmp_path: Path, caplog: Any) -> None:
    (tmp_path / "file").write_text("")
    callback = StoreCallback(tmp_path / "file", metric=METRIC, mode=MODE, name="n")
    callback.setup()
    run(callback, fake_trial("a", Trial.RUNNING))
    callback.on_experiment_end(trials=[])
    assert len(caplog.records) == 1


def test_a_restored_run_goes_on_with_its_sweep(callback: StoreCallback, store: Store) -> None:
    pristine = pickle.dumps(callback)
    trial = fake_trial("a", Trial.RUNNING, {"lr": 1})
    run(callback, trial, steps=1, end="")
    state = callback.get_state()
    assert state is not None
    callback.on_experiment_end(trials=[])
    restored = pickle.loads(pristine)
    restored.set_state(state)
    restored.setup()
    run(restored, fake_trial("a", Trial.RUNNING, {"lr": 1}))
    restored.on_experiment_end(trials=[])
    history = only_sweep(store)
    assert [len(t.curve) for t in history.trials] == [3]
    restored.setup()  # used again: another run is another sweep
    run(restored, fake_trial("b", Trial.RUNNING, {"lr": 1}))
    restored.on_experiment_end(trials=[])
    assert len(store.curves()) == 2


def test_two_callbacks_record_once(callback: StoreCallback, store: Store) -> None:
    other = StoreCallback(store, metric=METRIC, mode=MODE, name="other")
    other.setup()
    trial = fake_trial("a", Trial.RUNNING, {"lr": 1})
    about: dict[str, Any] = {"iteration": 1, "trials": [trial], "trial": trial}
    for made in (callback, other):
        made.on_trial_start(**about)
    for made in (callback, other):
        made.on_trial_result(**about, result={METRIC: 1.0, "training_iteration": 1})
        made.on_experiment_end(trials=[])
    assert only_sweep(store).sweep.name == "by hand"


@pytest.fixture
def environment(monkeypatch: Any) -> None:
    monkeypatch.delenv(tune_run.VARIABLE, raising=False)
    monkeypatch.setattr(tune_run, "_requested", False)


@pytest.mark.usefixtures("environment")
def test_the_searcher_brings_the_callback(store: Store, monkeypatch: Any) -> None:
    monkeypatch.setenv("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    search = MetaSearch(store, name="search")
    assert tune_run.VARIABLE not in os.environ
    search.set_search_properties(METRIC, MODE, small_space())
    (callback, *others) = _create_default_callbacks([])  # what Tune does next
    assert isinstance(callback, StoreCallback)
    assert not any(isinstance(other, StoreCallback) for other in others)
    assert tune_run.VARIABLE not in os.environ  # neither for other runs nor for children
    callback.setup()
    config = suggest(search, "a1")
    run(callback, fake_trial("a1", Trial.RUNNING, {**config, "drawn": 3}))
    callback.on_experiment_end(trials=[])
    history = only_sweep(store)
    assert (history.sweep.name, history.sweep.sweep_id) == ("search", search.brain.sweep_id)
    assert history.trials[0].config == {**config, "drawn": 3}
    assert callback.get_state() is None


@pytest.mark.usefixtures("environment")
def test_what_the_user_put_into_the_environment_stays(monkeypatch: Any) -> None:
    monkeypatch.setenv(tune_run.VARIABLE, "ray.tune.Callback")
    tune_run.request_callback()
    tune_run.request_callback()
    assert os.environ[tune_run.VARIABLE] == "ray.tune.Callback,metahp_searchers.StoreCallback"
    StoreCallback()
    assert os.environ[tune_run.VARIABLE] == "ray.tune.Callback"
    monkeypatch.setenv(tune_run.VARIABLE, tune_run.CALLBACK)
    tune_run.request_callback()
    StoreCallback()
    assert os.environ[tune_run.VARIABLE] == tune_run.CALLBACK


def test_a_searcher_with_its_own_space_brings_the_callback(store: Store, environment: None) -> None:
    MetaSearch(store, space=SearchSpace({"x": Float(0, 1)}), metric=METRIC, mode=MODE)
    assert os.environ[tune_run.VARIABLE] == tune_run.CALLBACK
    tune_run.callback_made()


def test_a_restored_searcher_brings_the_callback(store: Store, environment: None) -> None:
    pickle.loads(pickle.dumps(MetaSearch(store)))
    assert os.environ[tune_run.VARIABLE] == tune_run.CALLBACK
    tune_run.callback_made()


def test_the_run_on_the_stack_is_understood() -> None:
    space = {"x": tune.uniform(0, 1), "g": tune.grid_search([1, 2]), "n": {"r": tune.randn(0, 1), "c": 3}}
    source = "def run(search_alg, scheduler, metric, mode, config):\n    return current_run(), recorded_space(config)"
    from metahp_searchers.ray_space import recorded_space

    names: dict[str, Any] = {"__name__": "ray.tune.tune"}
    names |= {"current_run": tune_run.current_run, "recorded_space": recorded_space}
    exec(source, names)
    found, recorded = names["run"](MetaSearch(None), None, "loss", "min", space)
    assert (found.metric, found.mode, found.searcher, found.scheduler) == ("loss", "min", "MetaSearch", "")
    assert recorded == SearchSpace({"x": Float(0, 1), "g": Categorical((1, 2)), "n": {"c": 3}})
    assert tune_run.current_run() is None
