"""One trial that is trained by several processes together, by Ray Train; and who a process is among them.

Ray Train reserves the workers' resources itself, beside those of the trial. So a trial of many workers asks Tune for
nothing, and as many trials are run at once as there is room for whole crews: a trial never waits for half of one.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metahp_cluster.spec import Resources
from metahp_cluster.user_code import TrainFunction

_USABLE = 0.9  # of a GPU's memory: the rest is CUDA's own
NODE_LOSSES = 3  # so often a trial is taken up again from its last checkpoint


@dataclass(frozen=True, slots=True)
class Place:
    """Who a process is among those that train one model.

    Attributes:
        rank: counts from 0; the first one reports and saves.
        size: how many there are.
    """

    rank: int = 0
    size: int = 1


_place = Place()


def place() -> Place:
    """Of this process; the only one of its trial unless the sweep asks for several workers."""
    return _place


def trained_by(resources: Resources, train: TrainFunction, folder: Path) -> TrainFunction:
    """The training function as Tune calls it: itself, or a crew of Ray Train workers that call it.

    Args:
        resources: of a trial.
        train: the user's function.
        folder: where Ray Train keeps its state and checkpoints; all nodes must see it.
    """
    train = _fenced(train, resources.gpu)
    if resources.workers == 1:
        return train
    return functools.partial(_train_together, train=train, resources=resources, folder=str(folder))


def _fenced(train: TrainFunction, gpu: float) -> TrainFunction:
    """Who has a part of a GPU takes that part of its memory; TensorFlow takes what it needs (see `environment`)."""
    if not 0.0 < gpu < 1.0:
        return train

    def within(config: dict[str, Any]) -> object:
        from ray import tune

        share = tune.get_context().get_trial_resources().required_resources.get("GPU", gpu)  # larger in a retry
        os.environ.setdefault("XLA_PYTHON_CLIENT_MEM_FRACTION", f"{_USABLE * share:.3f}")
        return train(config)

    return within


def _train_together(config: dict[str, Any], *, train: TrainFunction, resources: Resources, folder: str) -> None:
    from ray import tune
    from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
    from ray.train.tensorflow import TensorflowTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    share = {"CPU": resources.cpu} | ({"GPU": resources.gpu} if resources.gpu else {})
    trainer = TensorflowTrainer(
        _as_worker(train),
        train_loop_config=config,
        scaling_config=ScalingConfig(
            num_workers=resources.workers, use_gpu=bool(resources.gpu), resources_per_worker=share
        ),
        run_config=RunConfig(
            name=tune.get_context().get_trial_id(),  # the same after a retry, so that it goes on
            storage_path=folder,
            checkpoint_config=CheckpointConfig(num_to_keep=1),
            failure_config=FailureConfig(max_failures=NODE_LOSSES),
            callbacks=[TuneReportCallback()],
        ),
    )
    trainer.fit()


def _as_worker(train: TrainFunction) -> Callable[[dict[str, Any]], None]:
    def work(config: dict[str, Any]) -> None:
        from ray.train import get_context

        from metahp_cluster import workers  # this function travels by value, its module does not

        context = get_context()
        workers._place = Place(context.get_world_rank(), context.get_world_size())
        train(config)

    return work
