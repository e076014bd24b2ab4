"""What a cluster is made of, asked before a sweep is sent there: by ``python -m metahp_cluster.probe FOLDER`` on it.

Each node says what it has and which versions it runs, and writes a file into a folder that the head node has made: what
the head node then finds there is on a disk that both see.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from metahp_cluster.machine import node_of

_MARK = "metahp-probe "
_SEEN_WITHIN_S = 5.0
_PACKAGES = ("ray", "keras", "tensorflow", "jax", "pyarrow", "pydantic", "numpy")


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One node of a cluster.

    Attributes:
        name: its address.
        cpus: cores that Ray may use.
        gpus: GPUs that Ray may use.
        gpu_name: their kind, where it is known.
        versions: of Python and of the packages that matter; those that are not installed are left out.
        trouble: why it cannot write what the head node sees into the folder of the results; empty if it can.
    """

    name: str
    cpus: float
    gpus: float
    gpu_name: str
    versions: Mapping[str, str]
    trouble: str


def versions() -> dict[str, str]:
    """Of this process."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def parse(log: str) -> list[NodeFacts] | None:
    """The facts in what a probe has printed, None where there are none."""
    lines = [line.removeprefix(_MARK) for line in log.splitlines() if line.startswith(_MARK)]
    return [NodeFacts(**node) for node in json.loads(lines[-1])] if lines else None


def probe(folder: Path) -> list[NodeFacts]:
    """Asks each node of the cluster that this process belongs to, the one it runs on first.

    Raises:
        OSError: nothing can be written to the folder here.
    """
    import ray

    folder.mkdir(parents=True, exist_ok=True)
    met = folder / f".metahp-probe-{uuid4().hex}"
    met.mkdir()
    try:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        here = ray.get_runtime_context().get_node_id()
        nodes.sort(key=lambda node: node["NodeID"] != here)
        told = ray.get([_ask(node["NodeID"], str(met / node["NodeID"])) for node in nodes])
        return [_facts(node, met / node["NodeID"], *answer) for node, answer in zip(nodes, told, strict=True)]
    finally:
        shutil.rmtree(met, ignore_errors=True)


def _ask(node_id: str, file: str) -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node_id, soft=False)
    return ray.remote(answer).options(num_cpus=0, scheduling_strategy=there).remote(file)


def answer(file: str) -> tuple[dict[str, str], str]:
    """What a node says of itself, and why it could not write the file, whose folder must be there."""
    try:
        Path(file).write_text(file)
    except OSError as problem:
        return versions(), problem.strerror or type(problem).__name__
    return versions(), ""


def _facts(node: Mapping[str, Any], file: Path, versions: dict[str, str], trouble: str) -> NodeFacts:
    if not trouble and not _appears(file):
        trouble = "what it writes there is on another disk"
    has = node_of(node["Resources"])
    return NodeFacts(node["NodeManagerAddress"], has.cpus, has.gpus, has.gpu_name, versions, trouble)


def _appears(file: Path) -> bool:
    """Whether a file of another node is seen here; network file systems may take some seconds."""
    deadline = time.monotonic() + _SEEN_WITHIN_S
    while not file.exists():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def main() -> None:
    """Prints the facts as one line of JSON."""
    import ray

    ray.init()
    print(_MARK + json.dumps([asdict(node) for node in probe(Path(sys.argv[1]).expanduser())]), flush=True)


if __name__ == "__main__":
    main()
