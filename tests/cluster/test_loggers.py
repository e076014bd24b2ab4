"""Trackers beside ours: what a sweep with `loggers` leaves in their files, read with their own libraries."""

from collections.abc import Callable
from pathlib import Path

import pytest
from ray.tune.experiment import Trial

from metahp.errors import SweepSpecError
from metahp_cluster import load_sweep, loggers, run
from metahp_cluster.loggers import Logger
from metahp_searchers.testing import fake_trial


def test_unknown_ones_are_refused_with_their_line(sweep_file: Callable[..., Path]) -> None:
    with pytest.raises(SweepSpecError, match=r"sweep.yaml:\d+: loggers/0: .*'tensorboard', 'mlflow' or 'wandb'"):
        load_sweep(sweep_file(loggers=["comet"]))


def test_a_missing_package_is_said_before_anything_starts(
    sweep_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(loggers, "find_spec", lambda name: None)
    with pytest.raises(SweepSpecError, match="pip install mlflow wandb"):
        run(load_sweep(sweep_file(loggers=["mlflow", "wandb"])))
    assert not (tmp_path / "store").exists()
    assert not (tmp_path / "out").exists()


def test_each_is_used_once(tmp_path: Path) -> None:
    assert len(loggers.callbacks([Logger.TENSORBOARD, Logger.TENSORBOARD], "name", tmp_path)) == 1


@pytest.mark.filterwarnings("default")  # MLflow warns of its own future
def test_mlflow_writes_below_the_folder_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    (elsewhere := tmp_path / "elsewhere").mkdir()
    (folder := tmp_path / "sweep").mkdir()
    monkeypatch.chdir(elsewhere)
    (callback,) = loggers.callbacks([Logger.MLFLOW], "digits", folder)
    callback.setup()
    trial = fake_trial("a", Trial.RUNNING, {"x": 0.5})
    callback.log_trial_start(trial)
    callback.log_trial_result(1, trial, {"score": 0.25, "training_iteration": 1})
    callback.log_trial_end(trial)
    client = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("digits").experiment_id])
    assert (run.data.params, run.data.metrics["score"], run.info.status) == ({"x": "0.5"}, 0.25, "FINISHED")
    assert not list(elsewhere.iterdir())


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("ray_here")
@pytest.mark.filterwarnings("default")  # MLflow warns of its own future
def test_mlflow_and_tensorboard_have_every_trial(sweep_file: Callable[..., Path]) -> None:
    mlflow = pytest.importorskip("mlflow")
    result = run(load_sweep(sweep_file(loggers=["tensorboard", "mlflow"])))
    assert result.is_complete
    client = mlflow.MlflowClient(f"sqlite:///{result.folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("quadratic")
    runs = client.search_runs([experiment.experiment_id])
    assert max(run.data.metrics["score"] for run in runs) == pytest.approx(result.best_value)
    assert {float(run.data.params["x"]) for run in runs} == {t.config["x"] for t in result.history.trials}
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert len(list(result.folder.rglob("events.out.tfevents.*"))) == 5


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("ray_here")
@pytest.mark.filterwarnings("default")
def test_wandb_keeps_every_trial_offline(sweep_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    result = run(load_sweep(sweep_file(loggers=["wandb"])))
    assert result.is_complete
    runs = list(result.folder.rglob("offline-run-*/run-*.wandb"))
    assert len(runs) == len(result.history.trials)
    assert all(path.stat().st_size > 0 for path in runs)
