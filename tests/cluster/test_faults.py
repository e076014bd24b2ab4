"""A node of a cluster is lost in the middle of a sweep."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from metahp.types import TrialStatus
from metahp_cluster import load_sweep, run

pytestmark = [pytest.mark.ray, pytest.mark.slow]

# Each epoch is written down with the node it was trained on; a restored trial goes on where its checkpoint is.
CODE = """
import tempfile, time
from pathlib import Path
import ray
from ray import tune

DIARY = Path(__file__).with_name("diary")

def train(config):
    begin = 0
    if (checkpoint := tune.get_checkpoint()) is not None:
        with checkpoint.as_directory() as folder:
            begin = int((Path(folder) / "epoch").read_text())
    for epoch in range(begin, 6):
        time.sleep(0.7)
        with DIARY.open("a") as diary:
            diary.write(f"{ray.get_runtime_context().get_node_id()} {config['x']} {epoch}\\n")
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "epoch").write_text(str(epoch + 1))
            tune.report({"score": config["x"]}, checkpoint=tune.Checkpoint.from_directory(folder))
"""


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    yield cluster
    cluster.shutdown()


def kill(cluster: Any, node: Any) -> None:
    cluster.remove_node(node, allow_graceful=False)


def preempt(cluster: Any, node: Any) -> None:
    """What autoscalers do when a cloud takes a machine back: a notice first, then the end."""
    ray = Path(sys.executable).with_name("ray")
    said = ["--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "spot", "--deadline-remaining-seconds", "2"]
    words = [ray, "drain-node", "--address", cluster.address, "--node-id", node.node_id, *said]
    subprocess.run(words, check=True, timeout=60, capture_output=True)
    time.sleep(2.0)
    cluster.remove_node(node, allow_graceful=True)


@pytest.mark.parametrize("take", [kill, preempt])
def test_the_trials_of_a_lost_node_go_on_elsewhere(
    cluster: Any, take: Callable[[Any, Any], None], sweep_file: Callable[..., Path], tmp_path: Path
) -> None:
    node = cluster.add_node(num_cpus=1)
    cluster.wait_for_nodes()
    diary = tmp_path / "diary"

    def lose() -> None:
        while not (diary.exists() and sum(node.node_id in line for line in diary.read_text().splitlines()) >= 3):
            time.sleep(0.1)
        take(cluster, node)

    loss = threading.Thread(target=lose, daemon=True)
    loss.start()
    result = run(load_sweep(sweep_file(CODE, budget={"trials": 4, "epochs": 6})))
    loss.join(timeout=30)
    assert not loss.is_alive()  # the node was lost while the sweep ran
    assert result.is_complete, result.halted
    assert [trial.status for trial in result.history.trials] == [TrialStatus.COMPLETED] * 4
    assert all(trial.curve.steps.tolist() == [1, 2, 3, 4, 5, 6] for trial in result.history.trials)
    trained = [tuple(line.split()[1:]) for line in diary.read_text().splitlines()]
    assert len(trained) - len(set(trained)) <= 1  # with a checkpoint each epoch, at most one is trained twice
