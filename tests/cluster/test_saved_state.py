"""Checkpoints of `training.Report` that are damaged, or find no room; without Ray."""

import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

from metahp_cluster import saved_state, training
from metahp_cluster.training import Report


def model() -> keras.Model:
    made = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1), keras.layers.Dropout(0.5)])
    made.compile(keras.optimizers.Adam(), "mse")
    made.optimizer.build(made.trainable_variables)  # as after an epoch
    return made


def cut_short(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-8])


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


@pytest.mark.parametrize("name", ["state.weights.h5", "chance.json", "epoch", "digests.json"])
@pytest.mark.parametrize("harm", [cut_short, flip_a_bit, Path.unlink])
def test_damage_is_noticed(name: str, harm: Callable[[Path], None], tmp_path: Path) -> None:
    saved_state.save(tmp_path, model(), 3)
    assert saved_state.damage(tmp_path) == ""
    harm(tmp_path / name)
    assert saved_state.damage(tmp_path) != ""


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    first, second = model(), model()
    saved_state.save(tmp_path, first, 3)
    assert saved_state.load(tmp_path, second) == 3
    np.testing.assert_array_equal(first.layers[0].kernel, second.layers[0].kernel)


class Session:
    """Ray Tune's, with a disk that is full and a checkpoint of an earlier time."""

    def __init__(self, earlier: Path) -> None:
        self.reported: list[dict[str, Any]] = []
        self.earlier = SimpleNamespace(path=str(earlier), as_directory=lambda: _Within(earlier))
        self.Checkpoint = SimpleNamespace(from_directory=lambda folder: folder)

    def get_checkpoint(self) -> Any:
        return self.earlier

    def report(self, metrics: dict[str, Any], checkpoint: object = None) -> None:
        if checkpoint is not None:
            raise OSError(28, "No space left on device")
        self.reported.append(metrics)


class _Within:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> str:
        return str(self._folder)

    def __exit__(self, *problem: object) -> None: ...


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    made = Session(tmp_path)
    monkeypatch.setattr(training, "_session", lambda: made)
    monkeypatch.setattr(training, "_drop_half_a_checkpoint", lambda: None)
    return made


def test_a_full_disk_costs_the_checkpoint_and_not_the_report(
    session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    report = Report()
    report.set_model(model())
    with caplog.at_level(logging.WARNING):
        report.on_epoch_end(0, {"loss": 0.5})
    why = "[Errno 28] No space left on device"
    assert session.reported == [{"loss": 0.5, "epoch": 1, "checkpoint_failed": why}]
    assert "the checkpoint of epoch 1 cannot be saved, its report goes on: [Errno 28] No space left" in caplog.text


def test_a_damaged_checkpoint_begins_the_trial_anew(
    session: Session, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    saved_state.save(tmp_path, model(), 3)
    report, fresh = Report(save=False), model()
    report.set_model(fresh)
    assert report.resume(fresh) == 3
    cut_short(tmp_path / "state.weights.h5")
    kernel = np.array(fresh.layers[0].kernel)
    with caplog.at_level(logging.WARNING):
        assert report.resume(fresh) == 0
    assert f"the checkpoint {tmp_path} is damaged, state.weights.h5 is not what was written" in caplog.text
    np.testing.assert_array_equal(fresh.layers[0].kernel, kernel)
    report.on_epoch_end(0, {"loss": 0.5})  # Tune is told where the trial is, else it counted on from 3
    assert session.reported == [{"loss": 0.5, "epoch": 1, "training_iteration": 1}]
