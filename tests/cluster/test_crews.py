"""Trials of several workers, by Ray's book-keeping alone: no GPU is needed."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import ray

from metahp.types import TrialStatus
from metahp_cluster import load_sweep, run
from metahp_cluster.workers import crews_are_missed

CODE = """
import json, os, time
from pathlib import Path
from ray import train as ray_train
from metahp_cluster.workers import place

HERE = Path(__file__).parent

def note(**what):
    with (HERE / "diary").open("a") as diary:
        diary.write(json.dumps(what | {"rank": place().rank}) + "\\n")

def train(config):
    fraction = os.environ.get("XLA_PYTHON_CLIENT_MEM_FRACTION")
    begin = time.time()
    (HERE / f"begun-{config['x']}-{place().rank}").touch()
    while len(list(HERE.glob("begun-*"))) < 4 and time.time() < begin + 120:  # the first crew waits for the second
        time.sleep(0.1)
    for epoch in range(2):
        ray_train.report({"score": config["x"]})
    note(x=config["x"], begin=begin, end=time.time(), fraction=fraction)
"""


@pytest.fixture
def four_cores() -> Iterator[None]:
    """Four cores and two GPUs, as far as Ray knows."""
    ray.init(address="local", num_cpus=4, num_gpus=2, include_dashboard=True)
    yield
    ray.shutdown()


@ray.remote(num_cpus=1)
def occupy() -> None:
    """Somebody else of the cluster, who is there when the sweep starts: what is room for two crews has room for one."""
    time.sleep(25.0)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("four_cores")
def test_crews_share_gpus_and_wait_for_each_other(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    _other = occupy.remote()  # nobody waits for it, and it is gone when nobody refers to it
    resources = {"workers": 2, "cpu": 1, "gpu": 0.5}
    result = run(load_sweep(sweep_file(CODE, resources=resources, budget={"trials": 4, "epochs": 2}, learn=False)))
    assert result.counts == {TrialStatus.COMPLETED: 4}, result.halted
    told = [json.loads(line) for line in (tmp_path / "diary").read_text().splitlines()]
    assert {entry["fraction"] for entry in told} == {"0.450"}
    crews = Counter(entry["x"] for entry in told)
    assert set(crews.values()) == {2}
    begins = [entry["begin"] for entry in told]
    at_once = max(sum(entry["begin"] <= moment < entry["end"] for entry in told) for moment in begins)
    assert at_once == 4  # two crews, once there was room for them


def test_ray_train_is_told_which_dashboard_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.tune.execution.class_cache import DEFAULT_ENV_VARS

    before = dict(DEFAULT_ENV_VARS)
    for url, told in (("127.0.0.1:8266", {"RAY_API_SERVER_ADDRESS": "http://127.0.0.1:8266"}), ("", {})):
        monkeypatch.setattr("ray._private.worker.get_dashboard_url", lambda url=url: url)
        with crews_are_missed():
            assert before | told == DEFAULT_ENV_VARS
        assert before == DEFAULT_ENV_VARS
