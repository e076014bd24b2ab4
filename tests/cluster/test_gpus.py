"""Parts of GPUs, by Ray's book-keeping alone: no GPU is needed."""

import io
import json
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from metahp.errors import SweepSpecError
from metahp_cluster import load_sweep, run
from metahp_cluster.machine import (
    Logical,
    Node,
    at_once,
    check_visible,
    node_of,
    plan,
    settled,
    this_machine,
    without_gpus,
)
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
def test_each_trial_has_a_gpu_by_default(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    watch = io.StringIO()
    assert run(load_sweep(sweep_file(CODE, resources={}, budget={"trials": 4, "epochs": 1})), watch=watch).is_complete
    assert "8 CPU + 4 GPU, 1 CPU + 1 GPU per trial → 4 at once" in watch.getvalue()
    seen = [json.loads(line) for line in (tmp_path / "seen").read_text().splitlines()]
    assert sorted(seen) == [["0", None], ["1", None], ["2", None], ["3", None]]


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("four_gpus")
def test_two_trials_share_each_gpu(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    path = sweep_file(CODE, resources={"cpu": 1, "gpu": 0.5}, budget={"trials": 8, "epochs": 1})
    assert run(load_sweep(path)).is_complete
    seen = [json.loads(line) for line in (tmp_path / "seen").read_text().splitlines()]
    assert Counter(device for device, _ in seen) == {"0": 2, "1": 2, "2": 2, "3": 2}
    assert {fraction for _, fraction in seen} == {"0.450"}


@pytest.mark.ray
@pytest.mark.slow
def test_who_asks_for_no_gpu_sees_none(
    sweep_file: Callable[..., Path], metahp: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    path = sweep_file(CODE, resources={"gpu": 0}, budget={"trials": 2, "epochs": 1})
    process = metahp("run", str(path), "--cpus", "2", "--gpus", "4")
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    seen = [json.loads(line) for line in (tmp_path / "seen").read_text().splitlines()]
    assert seen == [["", None]] * 2  # unset, CUDA would show all


def test_the_plan_is_told() -> None:
    boxes = [Node(16, 8), Node(16, 8), Node(4, 0)]
    told = "2 × (16 CPU + 8 GPU), 4 CPU, 1 CPU + 0.5 GPU per trial → 32 at once"
    assert plan(Resources(cpu=1, gpu=0.5), boxes) == told
    assert at_once(Resources(workers=3, gpu=1.0), boxes) == 5
    assert "× 3 workers per trial → 5 at once" in plan(Resources(workers=3, gpu=1.0), boxes)


@pytest.mark.parametrize(
    ("wanted", "nodes", "told"),
    [
        (Resources(), [Node(64, 8, "H200")], "64 CPU + 8 × H200, 1 CPU + 1 GPU per trial → 8 at once"),
        (Resources(), [Node(8, 0)], "8 CPU, 1 CPU per trial → 8 at once"),
        (Resources(), [Node(2, 0), Node(8, 4)], "2 CPU, 8 CPU + 4 GPU, 1 CPU + 1 GPU per trial → 4 at once"),
        (Resources(workers=4), [Node(8, 8)], "8 CPU + 8 GPU, 1 CPU + 1 GPU × 4 workers per trial → 2 at once"),
        (Resources(gpu=0), [Node(64, 8)], "64 CPU + 8 GPU, 1 CPU per trial → 64 at once"),
    ],
)
def test_a_gpu_for_each_where_there_are_any(wanted: Resources, nodes: list[Node], told: str) -> None:
    assert plan(wanted, nodes) == told
    assert isinstance(settled(wanted, nodes).gpus, float)


def test_what_gpus_cost_in_trials_at_once_is_said_once() -> None:
    told = "gpu: auto gives each trial a GPU; if yours cannot use one, gpu: 0 runs 64 at once"
    assert without_gpus(Resources(), [Node(64, 8)]) == told
    for wanted, node in ((Resources(gpu=1), Node(64, 8)), (Resources(), Node(8, 0)), (Resources(), Node(8, 8))):
        assert without_gpus(wanted, [node]) is None


def test_gpus_that_are_hidden_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray._private.accelerators.nvidia_gpu import NvidiaGPUAcceleratorManager as Nvidia

    monkeypatch.setattr("metahp_cluster.machine._accelerators", lambda: Nvidia)
    monkeypatch.setattr(Nvidia, "get_current_node_num_accelerators", lambda: 8)
    monkeypatch.setattr(Nvidia, "get_current_node_accelerator_type", lambda: "H200")
    for visible, gpus in (("2,5", 2), ("-1", 0), ("", 0)):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        here = this_machine()
        assert (here.gpus, here.gpu_name) == (gpus, "H200" if gpus else "")
    check_visible(Logical(cpus=4))
    with pytest.raises(SweepSpecError, match="4 GPUs cannot be tried while CUDA_VISIBLE_DEVICES names 0; unset it"):
        check_visible(Logical(gpus=4))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert this_machine().gpus == 8
    check_visible(Logical(gpus=16))


def test_too_few_gpus_are_said_with_the_way_out() -> None:
    with pytest.raises(SweepSpecError, match=r"1 CPU \+ 1 GPU × 4 workers can never .*, gpu: 0 trains without GPUs"):
        at_once(Resources(workers=4), [Node(8, 1)])
    with pytest.raises(ValueError, match=r"no number before machine\.settled"):
        _ = Resources().gpus


def test_what_ray_says_of_a_node() -> None:
    assert node_of({"CPU": 64.0, "GPU": 8.0, "accelerator_type:H200": 1.0, "memory": 1e9}) == Node(64, 8, "H200")
    assert node_of({"memory": 1e9}) == Node(0, 0)


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
