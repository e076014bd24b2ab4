"""A running cluster whose workers lack MetaHP gets it from the driver."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from metahp_cluster import load_sweep, run

pytestmark = [pytest.mark.ray, pytest.mark.slow]

CODE = """
import metahp_searchers
from ray import tune

def train(config):
    shipped = "runtime_resources" in metahp_searchers.__file__  # where Ray unpacks what a driver brings
    tune.report({"score": float(shipped)})
"""


@pytest.fixture
def cluster_address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    yield cluster.address
    cluster.shutdown()


@pytest.mark.usefixtures("cluster_address")
def test_workers_use_the_code_of_the_driver(sweep_file: Callable[..., Path]) -> None:
    result = run(load_sweep(sweep_file(CODE, budget={"trials": 2, "epochs": 1})))
    assert result.is_complete
    assert result.best_value == 1.0
