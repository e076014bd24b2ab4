"""A worker that has trained other trials trains the next one as a fresh worker would."""

import json
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from metahp_cluster import user_code
from metahp_cluster.clean_state import seed_of
from metahp_cluster.spec import Resources
from metahp_cluster.trial_start import made_ready

# Weights, dropout, the order of the data and a draw of NumPy's, none of them seeded by the function.
CODE = """
import json, sys
import keras, numpy as np, tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
x = np.random.default_rng(0).normal(size=(64, 4)).astype("float32")

def train(config):
    layers = [keras.layers.Input((4,)), keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(config["lr"]), "mse")
    y = x[:, :1] + 0.1 * np.random.normal(size=(64, 1))
    history = model.fit(x, y, epochs=2, batch_size=8, verbose=0)
    print("trained", json.dumps([history.history["loss"], [layer.name for layer in layers[1:]]]))
"""
DRIVER = """
import sys
from metahp_cluster import user_code
from metahp_cluster.spec import Resources
from metahp_cluster.trial_start import made_ready

train = made_ready(user_code.InFile(user_code.Path(sys.argv[1]), "train"), Resources(gpu=0), seed=3)
for lr in sys.argv[2:]:
    train({"lr": float(lr)})
"""


def trained(tmp_path: Path, *rates: str) -> list[object]:
    """What the trials of one new process come to, one after the other."""
    file = tmp_path / "train.py"
    file.write_text(CODE)
    command = [sys.executable, "-c", DRIVER, str(file), *rates]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    return [
        json.loads(line.removeprefix("trained ")) for line in done.stdout.splitlines() if line.startswith("trained")
    ]


@pytest.mark.slow
def test_a_reused_process_is_as_good_as_a_fresh_one(tmp_path: Path) -> None:
    fresh = trained(tmp_path, "0.01")
    other, reused, again = trained(tmp_path, "0.1", "0.01", "0.01")
    assert [reused, again] == fresh * 2
    assert other != reused


POLICY = """
import keras
keras.config.set_dtype_policy("mixed_float16")

def train(config):
    print("trained", keras.config.dtype_policy().name)
    keras.config.set_dtype_policy("float64")
"""
IN_THREADS = """
import sys, threading
from metahp_cluster import user_code
from metahp_cluster.spec import Resources
from metahp_cluster.trial_start import made_ready

train = made_ready(user_code.InFile(user_code.Path(sys.argv[1]), "train"), Resources(gpu=0), seed=3)
for _ in range(2):
    trial = threading.Thread(target=train, args=({},))
    trial.start()
    trial.join()
"""


@pytest.mark.slow
def test_the_dtype_policy_of_the_file_holds_for_every_trial(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(POLICY)
    command = [sys.executable, "-c", IN_THREADS, str(tmp_path / "train.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.stdout.split("\n")[:-1] == ["trained mixed_float16"] * 2, done.stderr[-2000:]


LEFT_BEHIND = """
import gc, weakref
import keras

models = []

def train(config):
    print("trained", sum(model() is not None for model in models), gc.get_freeze_count() > 100_000)
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.refers_to_itself = model
    models.append(weakref.ref(model))
"""


@pytest.mark.slow
def test_models_of_earlier_trials_are_gone_though_what_was_imported_is_not_looked_through(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(LEFT_BEHIND)
    command = [sys.executable, "-c", DRIVER, str(tmp_path / "train.py"), "0.1", "0.2", "0.3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.stdout.split("\n")[:-1] == ["trained 0 True"] * 3, done.stderr[-2000:]


def test_each_trial_has_a_seed_of_its_own() -> None:
    seeds = {seed_of(sweep, {"x": x, "y": "a"}) for sweep in (0, 1) for x in (0.5, 1, (1, 2))}
    assert len(seeds) == 6
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert seed_of(0, {"x": 1, "y": 2}) == seed_of(0, {"y": 2, "x": 1})


def test_generators_are_seeded_without_keras_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "draws.py").write_text(
        "import random, numpy\ndef f(config): return random.random(), numpy.random.rand()"
    )
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    draw = made_ready(user_code.resolve(f"{tmp_path}/draws.py:f"), Resources(gpu=0), 0)
    first = draw({"x": 1})
    random.seed(5)
    np.random.rand(3)
    assert draw({"x": 1}) == first
    assert draw({"x": 2}) != first
