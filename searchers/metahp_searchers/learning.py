"""The learner beside a sweep: the store's predictor goes on learning while trials run, and yields to them.

On one machine it is a process; where Ray has several nodes, or where it may use a GPU, an actor that takes no CPU of
the trials. Whoever comes first to a store works, others wait for its end (`metahp.learner`), so that any number of
sweeps on one store have one learner. It uses no GPU unless ``METAHP_LEARNER_GPU`` grants it a share of one, e.g.
``0.1``, and Ray has that to spare when the first trial reports.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from metahp.errors import RecordError
from metahp.learner import INTERVAL_S, Learner, yield_to_trials
from metahp.store import Store
from metahp.store.spool import uuid7

SWITCH, GPU_SHARE, INTERVAL = "METAHP_LEARN", "METAHP_LEARNER_GPU", "METAHP_LEARN_EVERY"
_ONE_CORE = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
_PATIENCE_S = 5.0

_log = logging.getLogger(__name__)


def start_learner(store: Store) -> Callable[[], None] | None:
    """Starts one, unless the environment says ``METAHP_LEARN=0``.

    Returns:
        what ends it; what it was about to learn then, the next one learns. None if there is none.

    Raises:
        RecordError: a setting in the environment is no number.
    """
    if os.environ.get(SWITCH) == "0":
        return None
    share, interval = _number(GPU_SHARE, 0.0), _number(INTERVAL, INTERVAL_S)
    if ray.is_initialized() and (share or len(ray.nodes()) > 1):
        return _as_actor(store, share if ray.available_resources().get("GPU", 0.0) >= share else 0.0, interval)
    return _as_process(store, interval)


def _as_process(store: Store, interval: float) -> Callable[[], None]:
    told = ["--interval", str(interval), "--parent", str(os.getpid())]
    process = subprocess.Popen(
        [sys.executable, "-m", "metahp.learner", store.location, *told],
        env=os.environ | _ONE_CORE | _QUIET | {"CUDA_VISIBLE_DEVICES": ""},  # the GPUs are the trials'
        stdin=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the sweep, which ends the learner
    )

    def end() -> None:
        process.terminate()
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    return end


def _as_actor(store: Store, gpu: float, interval: float) -> Callable[[], None]:
    """A path is only sure to be seen from the driver's node; a bucket from everywhere."""
    own_node = ray.get_runtime_context().get_node_id()
    follower = ray.remote(_Follower).options(
        name=f"metahp-learner-{uuid7()}",  # of this sweep: who closes first must not end that of another one
        num_cpus=0,
        num_gpus=gpu,
        runtime_env={"env_vars": _ONE_CORE | _QUIET},
        scheduling_strategy=NodeAffinitySchedulingStrategy(own_node, soft="://" in store.location),
    )
    actor = follower.remote()
    actor.follow.remote(store.location, interval)
    return lambda: ray.kill(actor)


class _Follower:
    """A learner as a Ray actor; it ends with the driver that has made it, at the latest."""

    def follow(self, location: str, interval: float) -> None:
        yield_to_trials()
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
        Learner(Store(location, create=False)).follow(interval, lambda: True)


def _number(variable: str, otherwise: float) -> float:
    try:
        return float(os.environ.get(variable, otherwise))
    except ValueError:
        raise RecordError(f"{variable} must be a number, got {os.environ[variable]!r}") from None
