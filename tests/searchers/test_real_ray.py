"""Real Tune runs of plain Python functions, each small; results must be in the store exactly once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch

from metahp.space import Categorical, Conditional, Float, Int, SearchSpace
from metahp.store import Store
from metahp.types import SweepHistory, TrialStatus
from metahp_searchers import MetaScheduler, MetaSearch
from metahp_searchers.tune_run import VARIABLE

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SCRIPT = Path(__file__).with_name("interrupted_sweep.py")
METRIC = "val_accuracy"


@pytest.fixture(scope="module", autouse=True)
def local_ray() -> Iterator[None]:
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "sweeps")


@pytest.fixture
def train() -> Callable[[dict[str, Any]], None]:
    """A training function; a local one, so that workers need not import this file."""

    def train(config: dict[str, Any]) -> None:
        for epoch in range(1, 5):
            score = 1 - (config["learning_rate"] - 0.01) ** 2 - 1 / (epoch + config["units"])
            tune.report({"val_accuracy": score, "drawn": config.get("drawn", 0)})

    return train


@pytest.fixture
def fit(tmp_path: Path, train: Callable[[dict[str, Any]], None]) -> Callable[..., tune.ResultGrid]:
    """Runs a sweep as a user would."""

    def fit(space: dict[str, Any] | None = None, **settings: Any) -> tune.ResultGrid:
        own = {"learning_rate": tune.loguniform(1e-4, 1e-1), "units": tune.lograndint(16, 257)}
        return tune.Tuner(
            train,
            param_space=own if space is None else space,
            tune_config=tune.TuneConfig(metric=METRIC, mode="max", reuse_actors=True, **settings),
            run_config=tune.RunConfig(storage_path=str(tmp_path / "ray"), verbose=0),
        ).fit()

    return fit


def reports(history: SweepHistory) -> dict[str, int]:
    return {trial.trial_id: len(trial.curve) for trial in history.trials}


def rows(store: Store, table: Any = "results") -> list[dict[str, Any]]:
    return [row for batch in store.scan(table) for row in batch.to_pylist()]


def in_tune(results: tune.ResultGrid) -> dict[str, int]:
    return {r.metrics["trial_id"]: r.metrics["training_iteration"] for r in results}


def test_searcher_and_scheduler_in_a_plain_script(fit: Callable[..., tune.ResultGrid], store: Store) -> None:
    space = {
        "learning_rate": tune.loguniform(1e-4, 1e-1),
        "units": tune.lograndint(16, 257),
        "optimizer": tune.choice([{"name": "adam"}, {"name": "sgd", "momentum": tune.uniform(0, 1)}]),
        "drawn": tune.sample_from(lambda config: config["units"] * 2),
        "data": object(),
    }
    search = MetaSearch(store=store.path, task={"kind": "image", "classes": 10}, seed=0)
    results = fit(space, num_samples=6, search_alg=search, scheduler=MetaScheduler(search))
    assert len(results) == 6
    assert not results.errors
    (history,) = store.curves()
    assert reports(history) == in_tune(results)
    assert len(rows(store)) == sum(in_tune(results).values())
    assert history.sweep.space == SearchSpace(
        {
            "learning_rate": Float(1e-4, 1e-1, log=True),
            "units": Int(16, 256, log=True),
            "optimizer": Conditional(({"name": "adam"}, {"name": "sgd", "momentum": Float(0, 1)})),
        }
    )
    assert all(trial.status.is_over for trial in history.trials)
    assert all(trial.config["drawn"] == 2 * trial.config["units"] for trial in history.trials)
    assert all(history.sweep.space.contains(trial.config) for trial in history.trials)
    *_, last = rows(store, "sweeps")
    assert (last["searcher"], last["scheduler"], last["state"]) == ("MetaSearch", "MetaScheduler", "completed")
    assert VARIABLE not in os.environ

    fit(num_samples=1)  # a run in the same process that knows nothing of MetaHP
    again = MetaSearch(store=store.path, seed=1)
    results = fit(num_samples=2, search_alg=again, max_concurrent_trials=1)
    assert [reports(h) for h in store.curves()] == [reports(history), in_tune(results)]


def test_the_searcher_alone(fit: Callable[..., tune.ResultGrid], store: Store) -> None:
    asha = ASHAScheduler(max_t=4, grace_period=1, reduction_factor=2)
    search = MetaSearch(store, max_t=4, seed=0)
    results = fit(num_samples=6, search_alg=search, scheduler=asha, max_concurrent_trials=2)
    (history,) = store.curves()
    assert reports(history) == in_tune(results)
    assert len(history.trials) == 6
    for trial in history.trials:
        full = len(trial.curve) == 4
        assert trial.status is (TrialStatus.COMPLETED if full else TrialStatus.STOPPED)


def test_the_scheduler_alone(fit: Callable[..., tune.ResultGrid], store: Store) -> None:
    scheduler = MetaScheduler(store=store, task={"kind": "toy"}, max_t=3, name="scheduled")
    results = fit(num_samples=5, search_alg=OptunaSearch(seed=0), scheduler=scheduler)
    (history,) = store.curves()
    assert reports(history) == in_tune(results)
    assert max(reports(history).values()) == 3
    assert history.sweep.name == "scheduled"
    assert history.sweep.space == SearchSpace(
        {"learning_rate": Float(1e-4, 1e-1, log=True), "units": Int(16, 256, log=True)}
    )


def test_a_script_that_knows_nothing_of_metahp(
    fit: Callable[..., tune.ResultGrid], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "metahp_searchers.StoreCallback")
    monkeypatch.setenv("METAHP_STORE", str(store.path))
    results = fit({"learning_rate": tune.uniform(0, 0.1), "units": tune.grid_search([1, 2, 3])}, num_samples=1)
    (history,) = store.curves()
    assert reports(history) == in_tune(results)
    assert (history.sweep.metric, str(history.sweep.mode)) == (METRIC, "max")
    assert history.sweep.space == SearchSpace({"learning_rate": Float(0, 0.1), "units": Categorical((1, 2, 3))})
    assert os.environ[VARIABLE] == "metahp_searchers.StoreCallback"


def test_a_trial_that_fails_and_is_tried_again(tmp_path: Path, store: Store) -> None:
    def train(config: dict[str, Any]) -> None:
        marker = Path(config["directory"]) / f"{config['x']:.12f}"
        tries = len(marker.read_text()) if marker.exists() else 0
        marker.write_text("x" * (tries + 1))
        for epoch in range(1, 4):
            tune.report({METRIC: config["x"] + epoch + tries})
            if tries < config["failures"] and epoch == 2:
                raise RuntimeError("out of memory")

    search = MetaSearch(store, seed=0)
    results = tune.Tuner(
        train,
        param_space={"x": tune.uniform(0, 1), "failures": tune.choice([1, 9]), "directory": str(tmp_path)},
        tune_config=tune.TuneConfig(metric=METRIC, mode="max", num_samples=4, search_alg=search),
        run_config=tune.RunConfig(
            storage_path=str(tmp_path / "ray"), verbose=0, failure_config=tune.FailureConfig(max_failures=1)
        ),
    ).fit()
    (history,) = store.curves()
    ends = {t.trial_id: (t.status, len(t.curve)) for t in history.trials}
    assert set(ends.values()) <= {(TrialStatus.COMPLETED, 3), (TrialStatus.ERRORED, 2)}
    assert len(ends) == 4
    assert sum(status is TrialStatus.ERRORED for status, _ in ends.values()) == results.num_errors
    assert {row["attempt"] for row in rows(store)} == {1, 2}
    errors = [row["error_text"] for row in rows(store, "trials") if row["event"] == "errored"]
    assert all("out of memory" in error for error in errors)
    assert all(trial.curve.values[0] > 2 for trial in history.trials)  # the second attempt replaced the first


def drive(directory: Path, what: str, *, until: Callable[[], bool] | None = None) -> str:
    """Runs the script in a process of its own; kills it, with all its workers, when ``until`` says so."""
    log = directory / f"{what}.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, str(SCRIPT), what, str(directory)],
            stdout=out,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TUNE_GLOBAL_CHECKPOINT_S": "1"},
        )
        deadline = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if until is not None and until():
                process.send_signal(signal.SIGKILL)
            time.sleep(0.05)
        process.kill()
        process.wait()
    return log.read_text()


@pytest.mark.parametrize("broken", [False, True])
def test_kill_9_and_restore(tmp_path: Path, broken: bool) -> None:
    """Nothing acknowledged is lost, nothing is there twice, no finished trial is trained again."""
    finished = tmp_path / "finished"
    finished.mkdir()
    drive(tmp_path, "start", until=lambda: len(list(finished.iterdir())) >= 3)
    trained_before = {path.name for path in finished.iterdir()}
    assert 3 <= len(trained_before) < 8
    if broken:
        for state in (tmp_path / "ray" / "sweep").glob("searcher-state-*"):
            state.write_bytes(b"torn")
    log = drive(tmp_path, "restore")
    store = Store(tmp_path / "sweeps")
    (history,) = store.curves()
    keys = [(r["trial_id"], r["attempt"], r["step"]) for r in rows(store)]
    assert len(keys) == len(set(keys))
    acknowledged = set((tmp_path / "acknowledged").read_text().splitlines())
    configs = {trial.trial_id: trial.config["x"] for trial in history.trials}
    assert acknowledged <= {f"{configs[r['trial_id']]!r} {r['step']}" for r in rows(store)}
    runs = {path.name: len(path.read_text()) for path in finished.iterdir()}
    assert "resumed with 8 results" in log
    if broken:  # Tune runs again what its snapshot did not know as finished
        assert "could not be restored" in log
        assert "taken back from the store instead" in log
    else:
        assert len(history.trials) == 8
        assert all(t.status is TrialStatus.COMPLETED and len(t.curve) == 4 for t in history.trials)
        assert {name: runs[name] for name in trained_before} == dict.fromkeys(trained_before, 1)
