"""Every example of the folder does what it says; each in a process of its own, as a user runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from metahp.store import Store
from metahp_cluster import load_sweep

EXAMPLES = Path(__file__).parents[2] / "examples"
SWEEPS = sorted(EXAMPLES.glob("*/*.yaml"))
NAMES = [str(path.relative_to(EXAMPLES)) for path in SWEEPS]

# Two epochs of a random configuration, where a stand-in for Tune listens.
TWO_EPOCHS = """
import sys
from pathlib import Path
import numpy as np
from metahp_cluster import load_sweep, training
from metahp_cluster.user_code import resolve

class Enough(Exception):
    pass

class Session:
    reports = []

    def report(self, metrics):
        self.reports.append(metrics)
        if len(self.reports) == 2:
            raise Enough

training._session = Session
sweep = load_sweep(Path(sys.argv[1]))
try:
    resolve(sweep.trainable)(sweep.space.sample(np.random.default_rng(0)))
except Enough:
    values = [report[sweep.metric] for report in Session.reports]
    assert np.isfinite(values).all(), values
    sys.exit(0)
sys.exit("the training ended before its second epoch")
"""


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "RAY_AUTH_MODE"}
    return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=300)


def test_the_folder_is_described() -> None:
    told = (EXAMPLES / "README.md").read_text()
    assert all(f"]({path.parent.name})" in told for path in SWEEPS)
    assert len(SWEEPS) >= 5


@pytest.mark.slow
@pytest.mark.parametrize("path", SWEEPS, ids=NAMES)
def test_it_trains(path: Path) -> None:
    done = python("-c", TWO_EPOCHS, str(path))
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("path", SWEEPS, ids=NAMES)
def test_it_says_how_it_is_run(path: Path) -> None:
    assert path.read_text().splitlines()[0].startswith(f"# metahp run {path.relative_to(EXAMPLES.parent)}")
    assert load_sweep(path).task  # what is known about the data makes past sweeps count


def test_the_page_about_a_learning_rate_shows_its_example() -> None:
    page = (EXAMPLES.parent / "docs" / "learning_rate.md").read_text()
    assert (EXAMPLES / "learning_rate" / "sweep.yaml").read_text() in page


@pytest.mark.slow
def test_an_old_study_is_asked_for_a_learning_rate(tmp_path: Path) -> None:
    done = python(str(EXAMPLES / "optuna_study.py"), "--folder", str(tmp_path / "here"))
    assert done.returncode == 0, done.stderr[-2000:]
    rates = [float(line.split("=")[1].split()[0]) for line in done.stdout.splitlines() if line.startswith("learning")]
    assert len(rates) == 3
    assert 3e-4 < rates[0] < 3e-2  # 0.003 is best


@pytest.mark.ray
@pytest.mark.slow
def test_a_plain_tune_script(tmp_path: Path) -> None:
    done = python(str(EXAMPLES / "plain_tune.py"), "--store", str(tmp_path / "store"), "--trials", "3")
    assert done.returncode == 0, done.stderr[-2000:]
    assert "best val_loss" in done.stdout
    (history,) = Store(tmp_path / "store").curves()
    assert len(history.trials) == 3
