"""What this machine has, and how many trials fit on it at once; decided before anything starts."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metahp.errors import SweepSpecError
from metahp_cluster.spec import Resources

_KIND = "accelerator_type:"  # Ray's name of the resource by which a node tells what its GPUs are


@dataclass(frozen=True, slots=True)
class Node:
    """One machine.

    Attributes:
        cpus: cores that may be used.
        gpus: GPUs that may be used.
        gpu_name: their kind, e.g. ``H200``, where it is known.
    """

    cpus: float
    gpus: float
    gpu_name: str = ""

    def __str__(self) -> str:
        gpus = f"{self.gpus:g} × {self.gpu_name}" if self.gpu_name else f"{self.gpus:g} GPU"
        return f"{self.cpus:g} CPU" + (f" + {gpus}" if self.gpus else "")

    def fits(self, wanted: Resources) -> int:
        """How many workers run here at the same time."""
        by_cpu = math.floor(self.cpus / wanted.cpu + 1e-9)
        return min(by_cpu, _on_gpus(self.gpus, wanted.gpus)) if wanted.gpus else by_cpu


@dataclass(frozen=True, slots=True)
class Logical:
    """What Ray is to count with in place of what this machine has, to try out a sweep that is meant for another.

    Attributes:
        cpus: cores; None for those that there are.
        gpus: GPUs, which trials are told of and cannot use; None for those that there are.
    """

    cpus: int | None = None
    gpus: int | None = None

    def __bool__(self) -> bool:
        return self.cpus is not None or self.gpus is not None

    def of(self, node: Node) -> Node:
        """The machine as Ray is to see it."""
        cpus = node.cpus if self.cpus is None else self.cpus
        return Node(cpus, node.gpus, node.gpu_name) if self.gpus is None else Node(cpus, self.gpus)


def this_machine() -> Node:
    """The cores and GPUs that this process may use: ``CUDA_VISIBLE_DEVICES`` and its kin hide GPUs."""
    asked = _accelerators()
    visible, gpus = asked.get_current_process_visible_accelerator_ids(), asked.get_current_node_num_accelerators()
    if visible is not None:
        gpus = min(gpus, sum(each.strip() not in ("", "-1") for each in visible))
    name = asked.get_current_node_accelerator_type() if gpus else None
    return Node(len(os.sched_getaffinity(0)), gpus, name or "")


def check_visible(logical: Logical) -> None:
    """Refuses more logical GPUs than Ray would take.

    Raises:
        SweepSpecError: the variable that hides GPUs names fewer.
    """
    asked = _accelerators()
    visible = asked.get_current_process_visible_accelerator_ids()
    if logical.gpus is not None and visible is not None and logical.gpus > len(visible):
        name = asked.get_visible_accelerator_ids_env_var()
        raise SweepSpecError(
            f"{logical.gpus} GPUs cannot be tried while {name} names {len(visible)}; unset it, or ask for as many"
        )


def _accelerators() -> Any:
    from ray._private.accelerators import get_accelerator_manager_for_resource  # what ray.init itself asks

    return get_accelerator_manager_for_resource("GPU")


def node_of(shares: Mapping[str, float]) -> Node:
    """A node of a cluster, by what Ray says that it has."""
    names = (name.removeprefix(_KIND) for name in shares if name.startswith(_KIND))
    return Node(shares.get("CPU", 0.0), shares.get("GPU", 0.0), next(names, ""))


def settled(wanted: Resources, nodes: Sequence[Node]) -> Resources:
    """The same with a number for ``gpu: auto``: one for each worker where any node has one, else none."""
    if wanted.gpu != "auto":
        return wanted
    return wanted.model_copy(update={"gpu": float(any(node.gpus >= 1 for node in nodes))})


def at_once(wanted: Resources, nodes: Sequence[Node]) -> int:
    """How many trials will run at the same time.

    Raises:
        SweepSpecError: not a single one ever could.
    """
    asked, wanted = wanted, settled(wanted, nodes)
    room = sum(node.fits(wanted) for node in nodes)
    fitting = room // wanted.workers
    if not fitting:
        has = ", ".join(map(str, nodes)) or "nothing"
        raise SweepSpecError(
            f"a trial of {_asked(wanted)} can never be scheduled: there is {has}, with room for {room} such workers; "
            f"ask for less in resources{', gpu: 0 trains without GPUs' if asked.gpu != wanted.gpus else ''}"
        )
    return min(fitting, wanted.at_once or fitting)


def plan(wanted: Resources, nodes: Sequence[Node]) -> str:
    """What there is and what was decided: ``64 CPU + 8 × H200, 1 CPU + 1 GPU per trial → 8 at once``."""
    machines = Counter(map(str, nodes))
    has = ", ".join(f"{count} × ({node})" if count > 1 else node for node, count in machines.items())
    return f"{has}, {decided(wanted, nodes)}"


def decided(wanted: Resources, nodes: Sequence[Node]) -> str:
    """What was decided, for people: ``1 CPU + 1 GPU per trial → 8 at once``."""
    return f"{_asked(settled(wanted, nodes))} per trial → {at_once(wanted, nodes)} at once"


def without_gpus(wanted: Resources, nodes: Sequence[Node]) -> str | None:
    """What to know where ``gpu: auto`` came to GPUs and more trials would run at once without; None elsewhere."""
    if wanted.gpu != "auto" or not settled(wanted, nodes).gpus:
        return None
    count = at_once(wanted.model_copy(update={"gpu": 0.0}), nodes)
    if count <= at_once(wanted, nodes):
        return None
    return f"gpu: auto gives each trial a GPU; if yours cannot use one, gpu: 0 runs {count} at once"


def _asked(wanted: Resources) -> str:
    return str(Node(wanted.cpu, wanted.gpus)) + (f" × {wanted.workers} workers" if wanted.workers > 1 else "")


def _on_gpus(gpus: float, share: float) -> int:
    """Fractions are packed card by card: what is left of one card cannot be added to another."""
    if share >= 1:
        return math.floor(gpus / share)
    return math.floor(gpus) * math.floor(1 / share + 1e-9)
