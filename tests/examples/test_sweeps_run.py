"""The sweeps of the examples are run as a user runs them, with budgets of a few seconds."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from metahp.store import Store
from metahp.types import TrialStatus

EXAMPLES = Path(__file__).parents[2] / "examples"

TINY = {
    "digits/sweep.yaml": {"budget": {"trials": 2, "epochs": 2}},
    "digits/many_workers.yaml": {"budget": {"trials": 1, "epochs": 2}},
    "text/sweep.yaml": {"budget": {"trials": 2, "epochs": 1}},
    "tabular/sweep.yaml": {"budget": {"trials": 2, "epochs": 2}},
    "learning_rate/sweep.yaml": {"budget": {"trials": 2, "epochs": 2}},
}
"""What is cut short; everything else is as it is in the file."""


def shortened(example: str, folder: Path) -> Path:
    """A copy of the example with its small budget, and what it writes beside it."""
    there = shutil.copytree((EXAMPLES / example).parent, folder / "example")
    path = there / Path(example).name
    sweep = yaml.safe_load(path.read_text()) | TINY[example]
    sweep |= {"store": "../store", "output": "../output", "learn": False}
    path.write_text(yaml.safe_dump(sweep, sort_keys=False))
    return path


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("example", TINY)
def test_the_sweep_runs(example: str, tmp_path: Path) -> None:
    path = shortened(example, tmp_path)
    environment = {key: value for key, value in os.environ.items() if key != "RAY_AUTH_MODE"}
    command = [sys.executable, "-m", "metahp_cluster", "run", str(path)]
    done = subprocess.run(
        command, env=environment | {"HOME": str(tmp_path)}, capture_output=True, text=True, timeout=580, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (history,) = Store(tmp_path / "store").curves()
    budget = TINY[example]["budget"]
    assert len(history.trials) == budget["trials"]
    assert {trial.status for trial in history.trials} <= {TrialStatus.COMPLETED, TrialStatus.STOPPED}
    assert max(trial.curve.last_step for trial in history.trials) == budget["epochs"]
    best = history.incumbent()
    assert best is not None
    assert "report: " in done.stdout
    (report,) = (tmp_path / "output").rglob("report.html")
    assert "plotly.js v" in report.read_text(encoding="utf-8")


def test_no_sweep_of_the_examples_is_forgotten_here() -> None:
    """A related sweep is the same training on other classes: it would show nothing new."""
    there = {str(path.relative_to(EXAMPLES)) for path in EXAMPLES.glob("*/*.yaml")}
    assert there - {"digits/related.yaml"} == set(TINY)
