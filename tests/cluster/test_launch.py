"""The files that start clusters: checked as far as can be without those clusters, and one of them run."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from metahp.store import Store
from metahp.types import TrialStatus

LAUNCH = Path(__file__).parents[2] / "cluster" / "launch"
PYTHON = sys.executable
PATH = f"{Path(PYTHON).parent}:{os.environ['PATH']}"  # where `ray` is
SCRIPTS = ["environment.sh", "local_nodes.sh", "slurm.sbatch"]

WHERE = """
import ray, time
from pathlib import Path
from ray import tune

def train(config):
    node = ray.get_runtime_context().get_node_id()
    with Path(__file__).with_name("nodes").open("a") as file:
        file.write(node + "\\n")
    for epoch in range(2):
        time.sleep(1.0)
        tune.report({"score": config["x"]})
"""


def load(name: str) -> Any:
    return yaml.safe_load((LAUNCH / name).read_text())


@pytest.mark.parametrize("name", ["onprem.yaml", "aws.yaml"])
def test_the_cluster_launcher_accepts_it(name: str) -> None:
    from importlib.util import find_spec

    spec = find_spec("ray")
    assert spec is not None
    assert spec.origin is not None
    config = load(name)
    jsonschema.validate(config, json.loads((Path(spec.origin).parent / "autoscaler" / "ray-schema.json").read_text()))
    for start in (config["head_start_ray_commands"], config["worker_start_ray_commands"]):
        assert "metahp-environment.sh" in start[-1]  # without it nodes disagree about the token
        subprocess.run(["bash", "-n", "-c", start[-1]], check=True)
    assert "--dashboard-host=127.0.0.1" in config["head_start_ray_commands"][-1]
    for local in config["file_mounts"].values():
        assert local == "./ray_auth_token" or (LAUNCH / local).is_file()


@pytest.mark.parametrize(("name", "kind"), [("raycluster.yaml", "RayCluster"), ("rayjob.yaml", "RayJob")])
def test_kuberay_manifests(name: str, kind: str) -> None:
    manifest = load(f"kuberay/{name}")
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", kind)
    cluster = manifest["spec"] if kind == "RayCluster" else manifest["spec"]["rayClusterSpec"]
    assert cluster["rayVersion"] == version("ray")
    assert cluster["authOptions"] == {"mode": "token"}
    for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]:
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
        assert all(isinstance(setting["value"], str) for setting in container["env"])
        assert container["resources"]["limits"] == container["resources"]["requests"]


def environment_of_nodes() -> dict[str, str]:
    """What `environment.sh` exports."""
    return dict(re.findall(r"^export (\w+)=(\w+)", (LAUNCH / "environment.sh").read_text(), re.MULTILINE))


@pytest.mark.parametrize("name", ["raycluster.yaml", "rayjob.yaml"])
def test_pods_have_the_environment_of_all_nodes(name: str) -> None:
    manifest = load(f"kuberay/{name}")["spec"]
    cluster = manifest.get("rayClusterSpec", manifest)
    wanted = environment_of_nodes()
    del wanted["RAY_AUTH_MODE"]  # authOptions sets it
    for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]:
        (container,) = group["template"]["spec"]["containers"]
        assert {setting["name"]: setting["value"] for setting in container["env"]} == wanted
        assert "replicas" not in group or group["replicas"] == group["minReplicas"]  # a sweep counts on them


def test_aws_has_machines_that_train_and_see_one_disk() -> None:
    config = load("aws.yaml")
    workers = config["available_node_types"]["gpu"]
    assert workers["min_workers"] == workers["max_workers"] == config["max_workers"] > 0
    assert any("mount -t nfs4" in command and command.endswith(" /shared") for command in config["setup_commands"])


@pytest.mark.parametrize("name", SCRIPTS)
def test_shell_scripts_parse(name: str) -> None:
    subprocess.run(["bash", "-n", str(LAUNCH / name)], check=True)


def test_a_slurm_job_starts_its_nodes_and_one_sweep(tmp_path: Path) -> None:
    """With stand-ins for Slurm, Ray and MetaHP that write down how they were called."""
    tools, venv = tmp_path / "tools", tmp_path / "venv" / "bin"
    tools.mkdir()
    venv.mkdir(parents=True)
    (venv / "activate").write_text("")
    note = f'#!/bin/sh\necho "$(basename "$0") $*" >> {tmp_path}/calls\n'
    for tool in ("srun", "ray", "metahp"):
        (tools / tool).write_text(note)
    (tools / "python3").write_text(f'{note}echo "${{2:-}}" | grep -q ray.nodes || echo secret\n')
    (tools / "scontrol").write_text("#!/bin/sh\nprintf 'n1\\nn2\\nn3\\n'\n")
    for tool in tools.iterdir():
        tool.chmod(0o755)
    slurm = {"SLURM_SUBMIT_DIR": str(LAUNCH), "SLURM_JOB_NODELIST": "n[1-3]", "SLURM_JOB_ID": "7"}
    environment = os.environ | slurm | {"PATH": f"{tools}:{os.environ['PATH']}", "METAHP_VENV": str(tmp_path / "venv")}
    subprocess.run(["bash", str(LAUNCH / "slurm.sbatch"), "sweep.yaml"], env=environment, check=True, timeout=60)
    called = (tmp_path / "calls").read_text()
    waited = r"ray\.init\(address='n1:20007'.*ray\.nodes\(\)\) < 3:.*\nmetahp run sweep\.yaml\n"
    assert re.search(waited, called, re.DOTALL)
    calls = sorted(line for line in called.splitlines() if line.startswith(("metahp", "ray ", "srun")))
    assert [call.split()[0] for call in calls] == ["metahp", "ray", "srun", "srun"]
    assert {word for call in calls[2:] for word in call.split() if word.startswith("--nodelist")} == {"--nodelist=n1"}
    assert any("--address=n1:20007" in call and "--nodes=2" in call for call in calls)


@pytest.fixture
def nodes() -> Iterator[dict[str, str]]:
    """Three nodes of one core, and the environment of somebody who may use them."""
    with subprocess.Popen(
        [str(LAUNCH / "local_nodes.sh"), "3", "1"],
        env={key: value for key, value in os.environ.items() if not key.startswith("RAY_")} | {"PATH": PATH},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        lines = (line.removeprefix("export ") for line in process.stdout if line.startswith("export "))
        yield dict(word.split("=", 1) for line in (next(lines), next(lines)) for word in line.split())
        process.stdin.close()


@pytest.mark.ray
@pytest.mark.slow
def test_a_sweep_uses_all_nodes(nodes: dict[str, str], sweep_file: Callable[..., Path], tmp_path: Path) -> None:
    path = sweep_file(WHERE, resources={"cpu": 1}, budget={"trials": 6, "epochs": 2})
    keep = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
    command = [PYTHON, "-m", "metahp_cluster", "run", str(path)]
    done = subprocess.run(command, env=keep | nodes, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 at once" in done.stdout
    (history,) = Store(tmp_path / "store").curves()
    assert [trial.status for trial in history.trials] == [TrialStatus.COMPLETED] * 6
    assert len(set((tmp_path / "nodes").read_text().split())) == 3
