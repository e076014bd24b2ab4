"""What a cluster is made of, asked before a sweep is sent there: by ``python -m metahp_cluster.probe FOLDER`` on it.

Each node says what it has and which versions it runs, and tries to see a file that the head node has written.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

_MARK = "metahp-probe "
_PACKAGES = ("ray", "keras", "tensorflow", "jax", "pyarrow", "pydantic", "numpy")


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One node of a cluster.

    Attributes:
        name: its address.
        cpus: cores that Ray may use.
        gpus: GPUs that Ray may use.
        versions: of Python and of the packages that matter; those that are not installed are left out.
        sees_folder: whether it sees what the head node writes into the folder of the results.
    """

    name: str
    cpus: float
    gpus: float
    versions: Mapping[str, str]
    sees_folder: bool


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
    marker = folder / f".metahp-probe-{uuid4().hex}"
    marker.touch()
    try:
        nodes = [node for node in ray.nodes() if node["Alive"]]
        here = ray.get_runtime_context().get_node_id()
        nodes.sort(key=lambda node: node["NodeID"] != here)
        told = ray.get([_ask(node["NodeID"], str(marker)) for node in nodes])
        return [_facts(node, *answer) for node, answer in zip(nodes, told, strict=True)]
    finally:
        marker.unlink(missing_ok=True)


def _ask(node_id: str, marker: str) -> Any:
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node_id, soft=False)
    return ray.remote(_answer).options(num_cpus=0, scheduling_strategy=there).remote(marker)


def _answer(marker: str) -> tuple[dict[str, str], bool]:
    return versions(), Path(marker).exists()


def _facts(node: Mapping[str, Any], versions: dict[str, str], sees_folder: bool) -> NodeFacts:
    has = node["Resources"]
    return NodeFacts(node["NodeManagerAddress"], has.get("CPU", 0.0), has.get("GPU", 0.0), versions, sees_folder)


def main() -> None:
    """Prints the facts as one line of JSON."""
    import ray

    ray.init()
    print(_MARK + json.dumps([asdict(node) for node in probe(Path(sys.argv[1]).expanduser())]), flush=True)


if __name__ == "__main__":
    main()
