"""A sweep as Ray Tune runs it: the cluster, the searcher, the scheduler, and the settings that matter.

Of these the most important is ``reuse_actors``: a worker that has imported TensorFlow is kept for the next trial,
which costs milliseconds in place of some ten seconds.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

import metahp
import metahp_cluster
import metahp_searchers
from metahp.pruning import Pruning
from metahp.store import Store
from metahp_cluster import environment, loggers, machine, workers
from metahp_cluster.checkpoints import Tidy
from metahp_cluster.interrupts import Brake, SweepHaltedError
from metahp_cluster.memory import second_chances
from metahp_cluster.monitor import STEP, Monitor
from metahp_cluster.spec import Resources, Sweep
from metahp_cluster.user_code import TrainFunction
from metahp_searchers import MetaScheduler, MetaSearch

RETRIES_ON_A_CLUSTER = 3  # machines come and go there; on one machine a trial that raised would raise again


@contextmanager
def cluster_for(resources: Resources) -> Iterator[list[machine.Node]]:
    """Ray, and the machines it has.

    That is, in this order: a Ray that this process uses already, the cluster that ``RAY_ADDRESS`` names, or one on
    this machine that lives as long as the context.

    Raises:
        SweepSpecError: a trial that asks for more than any machine has.
    """
    if ray.is_initialized():
        yield _nodes()
        return
    with _started(resources) as nodes:
        yield nodes


@contextmanager
def _started(resources: Resources) -> Iterator[list[machine.Node]]:
    address = environment.cluster_address()
    if address is None:
        here = machine.this_machine()
        machine.at_once(resources, [here])  # refused before anything is started
        # Ray Train asks the dashboard which crews are gone, and frees what was reserved for them only then.
        dashboard = resources.workers > 1
        ray.init(address="local", num_cpus=here.cpus, num_gpus=here.gpus, include_dashboard=dashboard)
    else:
        ray.init(address=address, runtime_env=_for_workers())
    try:
        yield _nodes()
    finally:
        ray.shutdown()


def make_tuner(
    sweep: Sweep, train: TrainFunction, search: MetaSearch, *, trials: int, at_once: int, folder: Path, watcher: Monitor
) -> tune.Tuner:
    """The Tuner for what is left of a sweep.

    Args:
        sweep: what is to be run.
        train: its training function.
        search: knows the sweep's id, and what of it is over.
        trials: how many are still to be run.
        at_once: how many at the same time.
        folder: for what Tune writes.
        watcher: told of everything.
    """
    on_cluster = environment.cluster_address() is not None
    return tune.Tuner(
        tune.with_resources(workers.trained_by(sweep.resources, train, folder / "train"), _share(sweep.resources)),
        tune_config=tune.TuneConfig(
            metric=sweep.metric,
            mode=str(sweep.mode),
            num_samples=trials,
            search_alg=search,
            scheduler=_scheduler(sweep, search),
            max_concurrent_trials=at_once,
            reuse_actors=sweep.resources.workers == 1,  # else the crew of a stopped trial would go on training
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name=folder.name,
            storage_path=str(folder.parent),
            stop={STEP: sweep.budget.epochs},
            checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
            failure_config=tune.FailureConfig(max_failures=RETRIES_ON_A_CLUSTER if on_cluster else 0),
            callbacks=[watcher, _tidy(sweep), *loggers.callbacks(sweep.loggers, sweep.name, folder.parent.parent)],
            verbose=0,
        ),
    )


def make_search(sweep: Sweep, store: Store, sweep_id: str) -> MetaSearch:
    """The searcher, of a new sweep or of one that the store knows."""
    return MetaSearch(
        store,
        sweep.task,
        metric=sweep.metric,
        mode=str(sweep.mode),
        space=sweep.space,
        max_t=sweep.budget.epochs,
        time_attr=STEP,
        seed=sweep.seed,
        name=sweep.name,
        pruning=Pruning(sweep.prune, sweep.max_false_prunes, sweep.audit, sweep.guarantee),
        pause=sweep.pause,
        sweep_id=sweep_id,
    )


def run_tuner(tuner: tune.Tuner, brake: Brake) -> None:
    """Run until all trials are over, or the brake was pulled; results are in the store either way."""
    try:
        with second_chances():
            tuner.fit()
    except (SweepHaltedError, KeyboardInterrupt) as problem:
        brake.pull(str(problem) or "interrupted")


def _share(resources: Resources) -> dict[str, float]:
    """What Tune reserves for a trial."""
    if resources.workers > 1:
        return {"memory": 2.0**20}  # Ray Train reserves for the workers; to ask for nothing at all Tune refuses
    return {"cpu": resources.cpu, "gpu": resources.gpu}


def _tidy(sweep: Sweep) -> Tidy:
    return Tidy(sweep.metric, sweep.mode, STEP, sweep.budget.epochs, 1e9 * sweep.checkpoints.keep_gb)


def _scheduler(sweep: Sweep, search: MetaSearch) -> TrialScheduler:
    if sweep.scheduler == "meta":
        return MetaScheduler(search)
    if sweep.scheduler == "asha":
        return ASHAScheduler(time_attr=STEP, max_t=sweep.budget.epochs)
    return FIFOScheduler()


def _nodes() -> list[machine.Node]:
    shares = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return [machine.Node(share.get("CPU", 0.0), share.get("GPU", 0.0)) for share in shares]


def _for_workers() -> dict[str, object] | None:
    """What workers of a running cluster need from here: this very version of the packages, and the settings."""
    if environment.IN_JOB in os.environ:
        return None  # they have it from the job
    return {"py_modules": [metahp, metahp_searchers, metahp_cluster], "env_vars": environment.for_workers()}
