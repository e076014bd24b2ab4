"""Sweep files to run, the real command to run them, and stores that sweeps have filled."""

import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from metahp.space import Categorical, Float, SearchSpace
from metahp.store import Store, SweepWriter, TrialEvent
from metahp.types import Action, Decision, Forecast, MadeDecision, Measurement, Mode
from metahp.types import Sweep as RecordedSweep

# Each trial writes down what it did and what was acknowledged: tune.report returns when the driver has the result.
QUADRATIC = """
import math, os, time
from pathlib import Path
from ray import tune

DIARY = Path(__file__).with_name("diary")

def note(*words):
    with DIARY.open("a") as diary:
        diary.write(" ".join(map(str, (os.getpid(), *words))) + "\\n")

def train(config):
    x = config["x"]
    note("start", x)
    for epoch in range(1, 100):
        time.sleep(config.get("pause", 0.0))
        tune.report({"score": (1 - (x - 0.3) ** 2) * (1 - math.exp(-epoch / 3)), "other": 1.0})
        note("epoch", x, epoch)
"""


@pytest.fixture
def sweep_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes ``sweep.yaml`` and ``train.py``; keyword arguments replace parts of the sweep."""

    def write(code: str = QUADRATIC, **changes: Any) -> Path:
        sweep = {
            "name": "quadratic",
            "trainable": "train.py:train",
            "space": {"x": {"float": [0.0, 1.0]}},
            "metric": "score",
            "mode": "max",
            "budget": {"trials": 5, "epochs": 4},
            "resources": {"at_once": 2},
            "store": "store",
            "output": "out",
            "scheduler": "none",
        } | changes
        (tmp_path / "train.py").write_text(code)
        path = tmp_path / "sweep.yaml"
        path.write_text(yaml.safe_dump(sweep, sort_keys=False))
        return path

    return write


@pytest.fixture(scope="module")
def ray_here() -> Iterator[None]:
    """One Ray for all tests of a module."""
    import ray

    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=True)
    yield
    ray.shutdown()


@pytest.fixture
def metahp(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """Starts the command ``metahp`` in a process group of its own, as a shell does."""

    def start(*arguments: str) -> subprocess.Popen[str]:
        environment = {key: value for key, value in os.environ.items() if key != "RAY_AUTH_MODE"}
        return subprocess.Popen(
            [sys.executable, "-m", "metahp_cluster", *arguments],
            cwd=tmp_path,
            env=environment | {"HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    return start


SWEEP = RecordedSweep(
    "s-1",
    SearchSpace({"learning_rate": Float(1e-4, 1.0, log=True), "kind": Categorical(("a", "b"))}),
    "acc",
    Mode.MAX,
    6,
    {"kind": "image"},
    "a <b>running</b> sweep",
)


def fill(writer: SweepWriter, trials: range) -> None:
    """Trials of which every third is stopped, every fifth diverges, and one that has only begun."""
    rng = np.random.default_rng(trials.start)
    with writer.batch():
        for number in trials:
            name, config = f"t-{number:04}", SWEEP.space.sample(rng)
            writer.start_attempt(name, config)
            stopped = number % 3 == 0
            for step in range(1, 3 if stopped else 7):
                best = math.nan if number % 5 == 4 else 0.9 + 0.02 * math.log10(config["learning_rate"])
                writer.record(name, Measurement(step, best * (1 - 0.5**step), step * 2.0))
            if stopped:
                why = Decision(Action.STOP, "chance to beat <0.9> is 1%", 0.01, 0.1, Forecast(6, 0.5, 0.1), 0.96)
                writer.record_decision(MadeDecision(name, 2, why))
            writer.record_event(name, TrialEvent.STOPPED if stopped else TrialEvent.COMPLETED)
    writer.start_attempt(f"t-{trials.stop:04}", SWEEP.space.sample(rng))
    writer.seal()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[tuple[Store, SweepWriter]]:
    """A store with a finished sweep, and one that goes on: its writer is open."""
    store = Store(tmp_path / "store", spool_dir=tmp_path / "spool")
    with store.open_sweep(replace(SWEEP, sweep_id="s-0", name="an earlier one")) as writer:
        fill(writer, range(12))
    with store.open_sweep(SWEEP, searcher="MetaSearch") as writer:
        fill(writer, range(20))
        yield store, writer
