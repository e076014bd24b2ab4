"""Trials that run out of memory: killed by the kernel, or told so by a library."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from metahp.types import TrialStatus
from metahp_cluster import load_sweep, run
from metahp_cluster.spec import Resources

CODE = """
import json, os, signal, time
from pathlib import Path
from ray import tune

HERE = Path(__file__).parent

class ResourceExhaustedError(Exception):
    pass

def train(config):
    share = tune.get_context().get_trial_resources().required_resources["CPU"]
    with (HERE / "starts").open("a") as file:
        file.write(json.dumps([config["how"], share]) + "\\n")
    tune.report({"score": 0.1})
    if config["how"] == "killed" and share < 1:
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGKILL)
    if config["how"] == "raises" and share < 1 or config["how"] == "always":
        raise ResourceExhaustedError("OOM when allocating tensor with shape[1024,1024]")
    if config["how"] == "bug":
        raise ValueError("no such layer")
    tune.report({"score": 0.5})
"""
HOW = ["killed", "raises", "always", "bug"]


@pytest.mark.ray
@pytest.mark.slow
def test_it_is_tried_once_more_with_a_larger_share(sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    path = sweep_file(
        CODE,
        space={"how": {"choice": HOW}},
        resources={"cpu": 0.5, "at_once": 2},
        budget={"trials": 4, "epochs": 2},
        scheduler="meta",
        prune="off",
        learn=False,
    )
    result = run(load_sweep(path))
    starts = [json.loads(line) for line in (tmp_path / "starts").read_text().splitlines()]
    shares = {how: [share for name, share in starts if name == how] for how in HOW}
    assert shares == {"killed": [0.5, 1.0], "raises": [0.5, 1.0], "always": [0.5, 1.0], "bug": [0.5]}
    ends = {trial.config["how"]: trial.status for trial in result.history.trials}
    assert ends == {
        "killed": TrialStatus.COMPLETED,
        "raises": TrialStatus.COMPLETED,
        "always": TrialStatus.ERRORED,
        "bug": TrialStatus.ERRORED,
    }
    assert result.is_complete


def test_what_is_out_of_memory_and_what_is_not() -> None:
    from metahp_cluster.memory import ran_out

    for text in (
        "Traceback\n  in f\ntensorflow.python.framework.errors_impl.ResourceExhaustedError: OOM when allocating",
        "jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes",
        "numpy._core._exceptions._ArrayMemoryError: Unable to allocate 8. EiB for an array",
        "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR",
        "Task was killed due to the node running low on memory.\nMemory on the node was 15 GB",
    ):
        assert ran_out(text)
    for text in ("", "The actor died because its node has died.", "# out of memory?\nValueError: no such layer"):
        assert not ran_out(text)


def test_a_lost_process_or_machine_is_tried_again_unless_ray_train_has_done_so() -> None:
    from metahp_cluster.memory import was_lost

    process = "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR"
    assert was_lost(process)
    assert was_lost("The actor died because its node has died. Node Id: 12")
    assert not was_lost("ValueError: no such layer")
    assert not was_lost(f"WorkerGroupError: Training failed due to worker errors:\n[Rank 0] {process}")


def test_what_a_crew_failed_by_is_not_tried_again_by_tune_too(monkeypatch: pytest.MonkeyPatch) -> None:
    from metahp_cluster.tuning import RETRIES, _retries

    for address, alone in (("10.0.0.1:6379", RETRIES), (None, 0)):
        monkeypatch.setattr("metahp_cluster.environment.cluster_address", lambda address=address: address)
        assert _retries(Resources()) == alone
        assert _retries(Resources(workers=2)) == 0


def test_only_parts_of_a_machine_grow() -> None:
    from ray.tune.execution.placement_groups import PlacementGroupFactory

    from metahp_cluster.memory import doubled

    share = doubled(PlacementGroupFactory([{"CPU": 1.0, "GPU": 0.25}]))
    assert share is not None
    assert share.bundles == [{"CPU": 1.0, "GPU": 0.5}]
    share = doubled(PlacementGroupFactory([{"CPU": 0.75, "memory": 0.5}]))
    assert share is not None
    assert share.bundles == [{"CPU": 1.0, "memory": 0.5}]
    assert doubled(PlacementGroupFactory([{"CPU": 2.0, "GPU": 1.0}])) is None
