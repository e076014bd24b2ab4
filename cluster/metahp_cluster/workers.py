"""One trial that is trained by several processes together, by Ray Train; and who a process is among them.

Ray Train reserves the workers' resources itself, beside those of the trial. So a trial of many workers asks Tune for
nothing, and as many trials are run at once as there is room for whole crews: a trial never waits for half of one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from metahp.errors import SweepSpecError
from metahp_cluster import environment
from metahp_cluster.spec import Resources
from metahp_cluster.user_code import TrainFunction

_DASHBOARD = "RAY_API_SERVER_ADDRESS"
_JOINED = ("tensorflow", "jax")
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


def check_backend(resources: Resources) -> None:
    """Refuses a crew whose processes would each train a model of their own.

    Raises:
        SweepSpecError: Keras uses a backend that we cannot join.
    """
    backend = environment.keras_backend()
    if resources.workers > 1 and backend not in _JOINED:
        raise SweepSpecError(
            f"resources: {resources.workers} workers train one model by {' or '.join(_JOINED)}, and KERAS_BACKEND is "
            f"{backend!r}; set it to one of these, or workers to 1"
        )


def trained_by(resources: Resources, train: TrainFunction, folder: Path) -> TrainFunction:
    """The training function as Tune calls it: itself, or a crew of Ray Train workers that call it.

    Args:
        resources: of a trial.
        train: the user's function.
        folder: where Ray Train keeps its state and checkpoints; all nodes must see it.
    """
    if resources.workers == 1:
        return train
    return functools.partial(_train_together, train=train, resources=resources, folder=str(folder))


@contextmanager
def crews_are_missed() -> Iterator[None]:
    """Within, Ray Train knows whose dashboard to ask whether a crew is gone, which frees the crew's cores and GPUs.

    Left alone it looks for a Ray on this machine, fails where there are several, and the next crew waits for ever.
    """
    from ray._private.worker import get_dashboard_url
    from ray.tune.execution.class_cache import DEFAULT_ENV_VARS  # of trials, and so of all that they start

    url = get_dashboard_url()
    if not url:
        yield
        return
    DEFAULT_ENV_VARS[_DASHBOARD] = f"http://{url}"
    try:
        yield
    finally:
        del DEFAULT_ENV_VARS[_DASHBOARD]


def _train_together(config: dict[str, Any], *, train: TrainFunction, resources: Resources, folder: str) -> None:
    from ray import tune
    from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
    from ray.train.tensorflow import TensorflowTrainer
    from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
    from ray.tune.integration.ray_train import TuneReportCallback

    share = {"CPU": resources.cpu} | ({"GPU": resources.gpus} if resources.gpus else {})
    backend = environment.keras_backend()
    trainer_of = {"tensorflow": TensorflowTrainer, "jax": DataParallelTrainer}[backend]
    trainer = trainer_of(
        _as_worker(train, backend),
        train_loop_config=config,
        scaling_config=ScalingConfig(
            num_workers=resources.workers, use_gpu=bool(resources.gpus), resources_per_worker=share
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


def _as_worker(train: TrainFunction, backend: str) -> Callable[[dict[str, Any]], None]:
    def work(config: dict[str, Any]) -> None:
        from ray.train import get_context

        from metahp_cluster import jax_crew, workers  # this function travels by value, its module does not

        context = get_context()
        workers._place = Place(context.get_world_rank(), context.get_world_size())
        if backend == "jax":
            jax_crew.join(workers._place.rank, workers._place.size)
        train(config)

    return work
