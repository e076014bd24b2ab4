"""The same sweep file on a laptop, on four GPUs as far as Ray knows, on a cluster, and as a job: a command each."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from metahp.store import Store
from metahp.types import TrialStatus
from metahp_cluster.machine import this_machine

METAHP = [sys.executable, "-m", "metahp_cluster"]
NODES = str(Path(__file__).parents[2] / "cluster" / "launch" / "local_nodes.sh")
WAYS = {
    "laptop": ([*METAHP, "run", "sweep.yaml"], ", 1 CPU per trial → "),
    "four GPUs": (
        [*METAHP, "run", "sweep.yaml", "--cpus", "4", "--gpus", "4"],
        "4 CPU + 4 GPU, 1 CPU + 1 GPU per trial → 4 at once",
    ),
    "cluster": ([NODES, "3", "--", *METAHP, "run", "sweep.yaml"], "3 × (1 CPU), 1 CPU per trial → 3 at once"),
    "job": (
        [NODES, "1", "2", "--", *METAHP, "submit", "sweep.yaml", "--store", "{here}/store", "--output", "{here}/out"],
        "1 CPU per trial → 2 at once",
    ),
}


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_the_same_file_runs_everywhere(way: str, sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    path = sweep_file(
        resources={"cpu": 1} | ({"gpu": 0} if way in ("laptop", "cluster") and this_machine().gpus else {})
    )
    command, decided = WAYS[way]
    own = {"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")} | own
    words = [word.format(here=tmp_path) for word in command]
    done = subprocess.run(words, cwd=path.parent, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout + done.stderr
    assert decided in done.stdout
    assert "5/5 trials over" in done.stdout
    (history,) = Store(tmp_path / "store").curves()
    assert [trial.status for trial in history.trials] == [TrialStatus.COMPLETED] * 5


def test_the_exit_code_of_a_command_on_nodes_is_its_own(tmp_path: Path) -> None:
    """With a stand-in for Ray that is up at once; nothing listens where the dashboard would."""
    script = Path(NODES).read_text().replace("tries < 240", "tries < 1")
    (tmp_path / "nodes.sh").write_text(script)
    (tmp_path / "environment.sh").write_text("")
    (tmp_path / "ray").write_text("#!/bin/sh\n[ $1 = health-check ] || exec sleep 60\n")
    (tmp_path / "ray").chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = ["bash", str(tmp_path / "nodes.sh"), "1", "--", "sh", "-c", "echo $RAY_ADDRESS; exit 7"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 7, done.stderr
    assert done.stdout.startswith("127.0.0.1:")


def test_logical_resources_are_not_for_a_cluster(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    words = [*METAHP, "run", str(sweep_file()), "--gpus", "4"]
    environment = os.environ | {"RAY_ADDRESS": "10.0.0.1:6379", "HOME": str(tmp_path)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=100)
    assert done.returncode == 2
    assert "the one at 10.0.0.1:6379 has what it has" in done.stderr
