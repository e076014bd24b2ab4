"""What a worker does before the user's function is called: the only one of a trial, or each of a crew."""

from __future__ import annotations

from typing import Any

from metahp_cluster.spec import Resources
from metahp_cluster.user_code import InFile, TrainFunction


def made_ready(train: TrainFunction, resources: Resources, seed: int) -> TrainFunction:
    """The training function, which first sees to its process.

    Args:
        train: the user's function.
        resources: of a trial; its ``gpu`` is settled.
        seed: of the sweep.
    """

    def train_ready(config: dict[str, Any]) -> object:
        from metahp_cluster import clean_state, gpu_memory  # this function travels by value, its module does not

        gpu_memory.fence(resources.gpus)  # before the user's file can touch the GPU
        function = train.load() if isinstance(train, InFile) else train
        clean_state.begin(clean_state.seed_of(seed, config))
        return function(config)

    train_ready.__name__ = getattr(train, "__name__", "train")
    return train_ready
