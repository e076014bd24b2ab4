"""A trial that is paused and goes on later trains to the very same curve as one that nothing happens to."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from metahp.store import Store
from metahp.types import Action, Decision, TrialStatus
from metahp_cluster import load_sweep, run
from metahp_cluster.results import SweepResult

pytestmark = [pytest.mark.ray, pytest.mark.slow]

# Everything that draws at random: the order of the data, dropout, noise by NumPy, and an optimiser with a memory.
CODE = """
import keras, numpy as np, tensorflow as tf
from metahp_cluster.training import Report

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
x = np.random.default_rng(0).normal(size=(256, 8)).astype("float32")
y = x[:, :1] * 2

class Noise(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        weight = self.model.layers[0].kernel
        weight.assign_add(0.01 * np.random.normal(size=weight.shape))

def train(config):
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.3), keras.layers.BatchNormalization()]
    model = keras.Sequential([keras.layers.Input((8,)), *layers, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(config["lr"]), "mse")
    report = Report()
    model.fit(x, y, epochs=5, initial_epoch=report.resume(model), callbacks=[Noise(), report], verbose=0)
"""
SWEEP: dict[str, Any] = {
    "space": {"lr": {"float": [0.001, 0.1], "log": True}},
    "metric": "loss",
    "mode": "min",
    "scheduler": "meta",
    "prune": "off",
    "pause": True,
    "budget": {"trials": 2, "epochs": 5},
    "resources": {"at_once": 1},
    "learn": False,
    "checkpoints": {"keep_gb": 0},
}


def curves(result: SweepResult) -> dict[str, list[float]]:
    (history,) = Store(result.store).curves()
    assert [trial.status for trial in history.trials] == [TrialStatus.COMPLETED] * 2
    return {json.dumps(trial.config): trial.curve.values.tolist() for trial in history.trials}


def test_a_paused_trial_goes_on_as_if_nothing_had_happened(
    sweep_file: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run(load_sweep(sweep_file(CODE, store="undisturbed", **SWEEP)))

    def pause_at_two(*arguments: Any) -> Decision:
        trial = arguments[3]
        return Decision(Action.PAUSE if trial.curve.last_step == 2 else Action.CONTINUE, "planned")

    monkeypatch.setattr("metahp.freezing.decide", pause_at_two)
    paused = run(load_sweep(sweep_file(CODE, store="paused", **SWEEP)))
    assert paused.is_complete, paused.halted
    assert curves(paused) == curves(whole)
    assert len(list(paused.folder.rglob("*.weights.h5"))) == 1  # of the best trial, for which alone there is room
    decisions = Store(paused.store).decisions(paused.sweep_id)
    assert [(made.step, made.decision.action) for made in decisions if made.decision.action is Action.PAUSE] == [
        (2, Action.PAUSE)
    ] * 2
