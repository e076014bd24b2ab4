"""Parts of GPUs, by Ray's book-keeping alone: no GPU is needed."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from metahp_cluster import load_sweep, run
from metahp_cluster.machine import Node, at_once, plan
from metahp_cluster.spec import Resources

CODE = """
import json, os, time
from pathlib import Path
from ray import tune

def train(config):
    seen = [os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "XLA_PYTHON_CLIENT_MEM_FRACTION")]
    with Path(__file__).with_name("seen").open("a") as file:
        file.write(json.dumps(seen) + "\\n")
    time.sleep(1.0)
    tune.report({"score": 1.0})
"""


@pytest.fixture
def four_gpus() -> Iterator[None]:
    import ray

    ray.init(address="local", num_cpus=8, num_gpus=4, include_dashboard=False)
    yield
    ray.shutdown()


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("four_gpus")
def test_two_trials_share_each_gpu(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    path = sweep_file(CODE, resources={"cpu": 1, "gpu": 0.5}, budget={"trials": 8, "epochs": 1})
    assert run(load_sweep(path)).is_complete
    seen = [json.loads(line) for line in (tmp_path / "seen").read_text().splitlines()]
    assert Counter(device for device, _ in seen) == {"0": 2, "1": 2, "2": 2, "3": 2}
    assert {fraction for _, fraction in seen} == {"0.450"}


def test_the_plan_is_told() -> None:
    boxes = [Node(16, 8), Node(16, 8), Node(4, 0)]
    assert plan(Resources(cpu=1, gpu=0.5), boxes) == "2 × (16 CPU + 8 GPU), 4 CPU, 1 CPU + 0.5 GPU each → 32 at once"
    assert at_once(Resources(workers=3, gpu=1.0), boxes) == 5
    assert "× 3 workers each → 5 at once" in plan(Resources(workers=3, gpu=1.0), boxes)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("four_gpus")
def test_a_worker_that_comes_later_does_not_wait_for_a_roll_that_is_gone() -> None:
    import ray

    from metahp_cluster.start_together import starting_together

    with starting_together(lambda config: config["x"], 2) as train:
        (roll,) = (name for name in ray.util.list_named_actors() if name.startswith("metahp-start-"))
        ray.kill(ray.get_actor(roll))
        assert ray.get(ray.remote(train).remote({"x": 7}), timeout=60) == 7
