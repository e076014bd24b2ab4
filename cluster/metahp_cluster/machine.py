"""What this machine has, and how many trials fit on it at once; decided before anything starts."""

from __future__ import annotations

import math
import os
from collections import Counter
from dataclasses import dataclass

from metahp.errors import SweepSpecError
from metahp_cluster.spec import Resources


@dataclass(frozen=True, slots=True)
class Node:
    """One machine.

    Attributes:
        cpus: cores that may be used.
        gpus: GPUs that may be used.
    """

    cpus: float
    gpus: float

    def __str__(self) -> str:
        return f"{self.cpus:g} CPU" + (f" + {self.gpus:g} GPU" if self.gpus else "")

    def fits(self, wanted: Resources) -> int:
        """How many workers run here at the same time."""
        by_cpu = math.floor(self.cpus / wanted.cpu + 1e-9)
        return min(by_cpu, _on_gpus(self.gpus, wanted.gpu)) if wanted.gpu else by_cpu


def this_machine() -> Node:
    """The cores that this process may use, and the GPUs that Ray sees."""
    from ray._private.accelerators import get_accelerator_manager_for_resource  # what ray.init itself asks

    gpus = get_accelerator_manager_for_resource("GPU").get_current_node_num_accelerators()
    return Node(len(os.sched_getaffinity(0)), gpus)


def at_once(wanted: Resources, nodes: list[Node]) -> int:
    """How many trials will run at the same time.

    Raises:
        SweepSpecError: not a single one ever could.
    """
    room = sum(node.fits(wanted) for node in nodes)
    fitting = room // wanted.workers
    if not fitting:
        has = ", ".join(map(str, nodes)) or "nothing"
        raise SweepSpecError(
            f"a trial of {_asked(wanted)} can never be scheduled: there is {has}, with room for {room} such workers; "
            "ask for less in resources"
        )
    return min(fitting, wanted.at_once or fitting)


def plan(wanted: Resources, nodes: list[Node]) -> str:
    """What was decided, for people: ``8 CPU + 4 GPU, 1 CPU + 0.5 GPU each → 8 at once``."""
    machines = Counter(map(str, nodes))
    has = ", ".join(f"{count} × ({node})" if count > 1 else node for node, count in machines.items())
    return f"{has}, {_asked(wanted)} each → {at_once(wanted, nodes)} at once"


def _asked(wanted: Resources) -> str:
    return str(Node(wanted.cpu, wanted.gpu)) + (f" × {wanted.workers} workers" if wanted.workers > 1 else "")


def _on_gpus(gpus: float, share: float) -> int:
    """Fractions are packed card by card: what is left of one card cannot be added to another."""
    if share >= 1:
        return math.floor(gpus / share)
    return math.floor(gpus) * math.floor(1 / share + 1e-9)
