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
from metahp.errors import SweepSpecError
from metahp.pruning import Pruning
from metahp.store import Store
from metahp_cluster import environment, loggers, machine, workers
from metahp_cluster.checkpoints import Tidy
from metahp_cluster.forgetting import Forget
from metahp_cluster.interrupts import Brake, SweepHaltedError
from metahp_cluster.memory import second_chances
from metahp_cluster.monitor import STEP, Monitor
from metahp_cluster.spec import Resources, Sweep
from metahp_cluster.taking_up import TakeUp, lasting_name
from metahp_cluster.user_code import TrainFunction
from metahp_searchers import MetaScheduler, MetaSearch

RETRIES = 3  # of what the trial is not to blame for: lost machines, processes that died


@contextmanager
def cluster_for(resources: Resources, logical: machine.Logical) -> Iterator[list[machine.Node]]:
    """Ray, and the machines it has.

    That is, in this order: a Ray that this process uses already, the cluster that ``RAY_ADDRESS`` names, or one on
    this machine that lives as long as the context.

    Raises:
        SweepSpecError: a trial that asks for more than any machine has; logical resources of a Ray that runs already.
    """
    address = environment.cluster_address()
    if logical and (ray.is_initialized() or address is not None):
        raise SweepSpecError(
            f"cpus and gpus are for a Ray that the sweep starts on this machine; the one at {address or 'hand'} has "
            "what it has: leave them out, or unset RAY_ADDRESS"
        )
    if ray.is_initialized():
        yield _nodes()
        return
    with _started(resources, logical, address) as nodes:
        yield nodes


@contextmanager
def _started(resources: Resources, logical: machine.Logical, address: str | None) -> Iterator[list[machine.Node]]:
    if address is None:
        machine.check_visible(logical)
        here = logical.of(machine.this_machine())
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
        sweep: what is to be run; its ``gpu`` is settled.
        train: its training function.
        search: knows the sweep's id, and what of it is over.
        trials: how many are still to be run.
        at_once: how many at the same time.
        folder: for what Tune writes.
        watcher: told of everything.
    """
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
            trial_dirname_creator=lasting_name,
        ),
        run_config=tune.RunConfig(
            name=folder.name,
            storage_path=str(folder.parent),
            stop={STEP: sweep.budget.epochs},
            failure_config=tune.FailureConfig(max_failures=_retries(sweep.resources)),
            callbacks=[_tidy(sweep), TakeUp(folder), watcher, *_loggers(sweep, folder), Forget()],
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
        learn=sweep.learn,
        sweep_id=sweep_id,
    )


def run_tuner(tuner: tune.Tuner, brake: Brake, resources: Resources) -> None:
    """Run until all trials are over, or the brake was pulled; results are in the store either way."""
    deaths = 0 if _retries(resources) else RETRIES
    try:
        with workers.crews_are_missed(), second_chances(deaths):
            tuner.fit()
    except (SweepHaltedError, KeyboardInterrupt) as problem:
        brake.pull(str(problem) or "interrupted")


def _retries(resources: Resources) -> int:
    """How often Tune tries any failure again.

    Where machines come and go; on one machine what raised would raise again. Not what a crew failed by: Ray Train has
    tried that again.
    """
    return RETRIES if environment.cluster_address() is not None and resources.workers == 1 else 0


def _share(resources: Resources) -> dict[str, float]:
    """What Tune reserves for a trial."""
    if resources.workers > 1:
        return {"memory": 2.0**20}  # Ray Train reserves for the workers; to ask for nothing at all Tune refuses
    return {"cpu": resources.cpu, "gpu": resources.gpus}


def _loggers(sweep: Sweep, folder: Path) -> list[tune.Callback]:
    return loggers.callbacks(sweep.loggers, sweep.name, folder.parent.parent)


def _tidy(sweep: Sweep) -> Tidy:
    return Tidy(sweep.metric, sweep.mode, STEP, sweep.budget.epochs, 1e9 * sweep.checkpoints.keep_gb)


def _scheduler(sweep: Sweep, search: MetaSearch) -> TrialScheduler:
    if sweep.scheduler == "meta":
        return MetaScheduler(search)
    if sweep.scheduler == "asha":
        return ASHAScheduler(time_attr=STEP, max_t=sweep.budget.epochs)
    return FIFOScheduler()


def _nodes() -> list[machine.Node]:
    return [machine.node_of(node["Resources"]) for node in ray.nodes() if node["Alive"]]


def _for_workers() -> dict[str, object] | None:
    """What workers of a running cluster need from here: this very version of the packages, and the settings."""
    if environment.IN_JOB in os.environ:
        return None  # they have it from the job
    return {"py_modules": [metahp, metahp_searchers, metahp_cluster], "env_vars": environment.for_workers()}
