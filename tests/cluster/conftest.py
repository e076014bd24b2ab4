"""Sweep files to run, and the real command to run them."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

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
