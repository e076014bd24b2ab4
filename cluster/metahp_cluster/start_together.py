"""All workers of a sweep come up before its first trial trains.

Tune gives a trial that waits for its own worker the first worker that becomes free instead, and then cancels the one
that was starting. Where trials are shorter than the start of a process, that leaves one worker doing everything. So
the first trial of each worker waits here until as many workers are up as run at once. Its first epoch is longer by
that wait, a few seconds.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import ray
from ray.exceptions import RayActorError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from metahp_cluster.user_code import TrainFunction

PATIENCE_S = 60.0  # a worker that does not come up must not hold up the others for good
_POLL_S = 0.1


@ray.remote(num_cpus=0)
class _Roll:
    """Who has arrived."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._arrived: set[str] = set()

    def arrive(self, worker: str) -> bool:
        """Whether all are there."""
        self._arrived.add(worker)
        return len(self._arrived) >= self._expected


@contextmanager
def starting_together(train: TrainFunction, workers: int) -> Iterator[TrainFunction]:
    """The training function, which first waits for ``workers`` workers; good for as long as the context."""
    if workers < 2:
        yield train
        return
    name = f"metahp-start-{uuid4().hex}"
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    roll = _Roll.options(name=name, scheduling_strategy=here).remote(workers)  # type: ignore[attr-defined]

    def train_together(config: dict[str, Any]) -> object:
        _wait(name)
        return train(config)

    train_together.__name__ = getattr(train, "__name__", "train")
    try:
        yield train_together
    finally:
        ray.kill(roll)


@functools.cache  # once per worker process and sweep
def _wait(name: str) -> None:
    worker = ray.get_runtime_context().get_worker_id()
    deadline = time.monotonic() + PATIENCE_S
    try:
        roll = ray.get_actor(name)
        while not ray.get(roll.arrive.remote(worker)) and time.monotonic() < deadline:
            time.sleep(_POLL_S)
    except (RayActorError, ValueError):  # the roll is gone, and Ray no longer knows the name: nobody to wait for
        return
