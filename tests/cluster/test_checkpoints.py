"""Which checkpoints stay on the disk."""

import math
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune import Checkpoint

from metahp.store import Store
from metahp.types import Mode
from metahp_cluster.checkpoints import Tidy, size_of


class Disk:
    """Trials with a checkpoint of 100 bytes each, that end as told."""

    def __init__(self, folder: Path, tidy: Tidy) -> None:
        self.folder, self.tidy = folder, tidy

    def trial(self, name: str, *scores: float, done: bool = False, failed: bool = False, saves: bool = True) -> None:
        trial: Any = SimpleNamespace(trial_id=name, checkpoint=self.save(name) if saves else None)
        for step, score in enumerate(scores, 1):
            ends = done and step == len(scores)
            self.tidy.on_trial_result(0, [], trial, {"loss": score, "step": step, "done": ends})
        (self.tidy.on_trial_error if failed else self.tidy.on_trial_complete)(0, [], trial)

    def save(self, name: str) -> Checkpoint:
        folder = self.folder / name
        (folder / "inner").mkdir(parents=True)
        (folder / "a").write_bytes(b"x" * 60)
        (folder / "inner" / "b").write_bytes(b"x" * 40)
        return Checkpoint(str(folder))

    @property
    def left(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path, Tidy("loss", Mode.MIN, "step", full=3, keep_bytes=250))


def test_the_best_trials_keep_theirs_as_far_as_there_is_room(disk: Disk) -> None:
    for name, loss in (("a", 0.5), ("b", 0.3), ("c", 0.4), ("d", 0.9)):
        disk.trial(name, loss + 0.1, loss, loss + 0.2, done=True)
    assert disk.left == ["b", "c"]


def test_those_that_were_stopped_or_failed_do_not(disk: Disk) -> None:
    disk.trial("good", 0.5, 0.4, 0.3)  # the function returned by itself
    disk.trial("stopped", 0.1, 0.1, done=True)
    disk.trial("failed", 0.1, failed=True)
    disk.trial("diverged", math.nan, math.nan, math.nan, done=True)
    disk.trial("saved nothing", 0.2, 0.2, 0.2, done=True, saves=False)
    assert disk.left == ["good"]


def test_the_best_one_stays_even_where_there_is_no_room(tmp_path: Path) -> None:
    disk = Disk(tmp_path, Tidy("loss", Mode.MIN, "step", full=1, keep_bytes=0))
    for name, loss in (("a", 0.5), ("b", 0.3), ("c", 0.4)):
        disk.trial(name, loss, done=True)
    assert disk.left == ["b"]


def test_a_checkpoint_that_is_gone_or_cannot_be_deleted_disturbs_nobody(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert size_of(disk.save("x")) == 100
    assert size_of(Checkpoint(str(tmp_path / "nowhere"))) == 0
    trial: Any = SimpleNamespace(trial_id="gone", checkpoint=Checkpoint(str(tmp_path / "nowhere")))
    disk.tidy.on_trial_error(0, [], trial)

    def refuse(path: str) -> None:
        raise PermissionError(13, "not yours")

    trial.checkpoint = SimpleNamespace(path="far/away", filesystem=SimpleNamespace(delete_dir=refuse))
    disk.tidy.on_trial_error(0, [], trial)
    assert "the checkpoint far/away could not be deleted: [Errno 13] not yours" in caplog.text


def test_that_they_cannot_be_saved_is_said_once(disk: Disk, caplog: pytest.LogCaptureFixture) -> None:
    trial: Any = SimpleNamespace(trial_id="a", checkpoint=None)
    for step in (1, 2):
        result = {"loss": 0.5, "step": step, "checkpoint_failed": "[Errno 28] No space left on device"}
        disk.tidy.on_trial_result(0, [], trial, result)
    (said,) = caplog.messages
    assert said.startswith("checkpoints cannot be saved: [Errno 28] No space left on device; results are kept")


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk")
def test_a_sweep_whose_output_is_full_keeps_its_results(
    sweep_file: Callable[..., Path], metahp: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    code = """
import keras, numpy as np
from metahp_cluster.training import Report

x = np.zeros((8, 200), "float32")

def train(config):
    model = keras.Sequential([keras.layers.Input((200,)), keras.layers.Dense(200), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    report = Report()
    model.fit(x, x[:, :1], epochs=2, initial_epoch=report.resume(model), callbacks=[report], verbose=0)
"""
    (tmp_path / "out").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", tmp_path / "out"], check=True)
    try:
        sweep = {"metric": "loss", "mode": "min", "budget": {"trials": 6, "epochs": 2}, "learn": False}
        process = metahp("run", str(sweep_file(code, **sweep)))
        output, _ = process.communicate(timeout=300)
    finally:
        subprocess.run(["umount", "--lazy", tmp_path / "out"], check=True)
    assert "checkpoints cannot be saved: " in output
    assert "No space left" in output
    assert "Traceback" not in output
    assert "6/6 trials over" in output
    (history,) = Store(tmp_path / "store").curves()
    assert [trial.curve.last_step for trial in history.trials] == [2] * 6
