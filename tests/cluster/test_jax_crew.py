"""A trial of two workers whose backend is JAX: both have the weights of one that trains alone, after every epoch."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from metahp.errors import SweepSpecError
from metahp.store import Store
from metahp.types import TrialStatus
from metahp_cluster.spec import Resources
from metahp_cluster.workers import check_backend

# 250 examples: the last batch is of 26, which two can divide; of the validation data none can be divided.
CODE = """
import json, os
from pathlib import Path
import keras, numpy as np
from metahp_cluster.training import Report, scope
from metahp_cluster.workers import place

HERE = Path(__file__).parent
x = np.random.default_rng(0).normal(size=(250, 8)).astype("float32")
y = x[:, :1] * 2

class Diary(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2 and place().rank == 1 and not (HERE / "died").exists():
            (HERE / "died").touch()
            os._exit(1)

    def on_epoch_end(self, epoch, logs=None):
        size = sum(float(np.abs(weight).sum()) for weight in self.model.get_weights())
        with (HERE / f"diary-{place().size}-{place().rank}").open("a") as diary:
            diary.write(json.dumps([epoch, size, logs["loss"], logs["val_loss"]]) + "\\n")

def train(config):
    assert keras.backend.backend() == "jax"
    keras.utils.set_random_seed(1)
    with scope():
        model = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(config["lr"], momentum=0.9), "mse")
    report = Report()
    fit = dict(batch_size=32, shuffle=False, validation_data=(x[:33], y[:33]), verbose=0)
    model.fit(x, y, epochs=4, initial_epoch=report.resume(model), callbacks=[Diary(), report], **fit)
"""


def diary(folder: Path, size: int, rank: int) -> dict[int, list[float]]:
    """By epoch: weights and losses of a worker. It was lost once: at most one epoch was trained twice, and alike."""
    lines = [json.loads(line) for line in (folder / f"diary-{size}-{rank}").read_text().splitlines()]
    found = {epoch: figures for epoch, *figures in lines}
    assert sorted(found) == [0, 1, 2, 3]
    assert len(lines) <= len(found) + 1
    assert all(figures == found[epoch] for epoch, *figures in lines)
    return found


@pytest.mark.ray
@pytest.mark.slow
def test_two_workers_train_as_one(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    pytest.importorskip("jax")
    lr = {"space": {"lr": {"float": [0.01, 0.0100001]}}, "metric": "val_loss", "mode": "min", "learn": False}
    environment = {key: value for key, value in os.environ.items() if key != "RAY_AUTH_MODE"}
    environment |= {"HOME": str(tmp_path), "KERAS_BACKEND": "jax"}
    for workers in (2, 1):
        path = sweep_file(
            CODE,
            **lr,
            store=f"store-{workers}",
            resources={"workers": workers, "at_once": 1, "gpu": 0},
            budget={"trials": 1, "epochs": 4},
        )
        command = [sys.executable, "-m", "metahp_cluster", "run", str(path)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
        assert done.returncode == 0, done.stdout + done.stderr
        (history,) = Store(tmp_path / f"store-{workers}").curves()
        assert [trial.status for trial in history.trials] == [TrialStatus.COMPLETED]
    first, second, alone = diary(tmp_path, 2, 0), diary(tmp_path, 2, 1), diary(tmp_path, 1, 0)
    assert (tmp_path / "died").exists()
    assert first == second
    np.testing.assert_allclose([first[epoch] for epoch in range(4)], [alone[epoch] for epoch in range(4)], rtol=1e-4)


def test_a_backend_that_cannot_be_joined_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    check_backend(Resources())
    with pytest.raises(SweepSpecError, match=r"2 workers train one model by tensorflow or jax, and .* is 'torch'"):
        check_backend(Resources(workers=2))
