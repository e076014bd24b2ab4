"""Question: how long does a worker wait for its next trial, and how many results a second does Ray's driver take?

Command: ``python -m benchmarks turnover --methods random,meta --out results``; two minutes.

On a real local Ray, trials that build a small Keras model, take one step of training by TensorFlow, and report. One
after the other: the seconds from the last report of a trial to the end of the first step of the next, by ``metahp run``
with all that it does (a store, a scheduler, a clean state of Keras for each trial), and by Ray Tune with workers that
are kept for the next trial or started for each, with some methods. The step is not compiled: to trace a function takes
as long in every way. And as many trials at a time as there are cores: reports a second.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from ray import tune

from benchmarks.history import Past
from benchmarks.methods.registry import Setting, method_named
from benchmarks.processes import local_ray
from benchmarks.provenance import about_this_run, line_about
from benchmarks.report import Rows, markdown, with_range, write_csv
from benchmarks.tasks import load_task
from metahp.pruning import Prune
from metahp.space import Float, SearchSpace
from metahp.types import Mode
from metahp_cluster import Budget, Resources, Sweep, run
from metahp_searchers.ray_space import to_tune

TASK = "synthetic-plain/0"
METRIC = "score"
_LAST = 2  # reports of a trial whose follower is waited for

Lives = list[tuple[float, float]]
"""Of each trial, when its first step was done and when it reported for the last time, by the worker's clock."""


def run_turnover(methods: Sequence[str], out: Path, *, trials: int = 6, reports: int = 400) -> str:
    """Times ``metahp run`` and each method on a Ray of its own; writes ``turnover.md`` and ``.csv``.

    Args:
        methods: names in the registry; without history, and able to take the space from Tune.
        out: directory of the results.
        trials: how many follow each other.
        reports: of each trial, where reports a second are counted.

    Returns:
        the table as Markdown.

    Raises:
        ValueError: a method that does not exist.
    """
    for name in methods:
        method_named(name)
    cores = os.cpu_count() or 1
    rows: Rows = [["run by", "s to the next first step, worker kept", "worker started anew", "results/s"]]
    with local_ray():
        speed = _per_second(_metahp(2, reports, at_once=cores), reports)
        rows.append(["metahp run", with_range(_gaps(_metahp(trials, _LAST, at_once=1))), "–", f"{speed:.0f}"])
    for name in methods:
        with local_ray():
            kept, fresh = (_gaps(_tune(name, trials, _LAST, at_once=1, reuse=reuse)) for reuse in (True, False))
            speed = _per_second(_tune(name, 2, reports, at_once=cores, reuse=True), reports)
        rows.append([f"Ray Tune, {name}", with_range(kept), with_range(fresh), f"{speed:.0f}"])
    out.mkdir(parents=True, exist_ok=True)
    about = line_about([about_this_run()])
    text = f"## Turnover\n\nMedian and range of {trials - 1} changes.\n\n{markdown(rows)}\n\n{about}"
    (out / "turnover.md").write_text(text + "\n", encoding="utf-8")
    write_csv(out / "turnover.csv", rows)
    return text


def _metahp(trials: int, reports: int, *, at_once: int) -> Lives:
    with tempfile.TemporaryDirectory() as folder:
        diary = Path(folder) / "diary"
        sweep = Sweep(
            name="turnover",
            trainable=train,
            space=SearchSpace({"x": Float(0.0, 1.0), "diary": str(diary), "metric": METRIC, "reports": reports}),
            metric=METRIC,
            mode=Mode.MAX,
            budget=Budget(trials=trials, epochs=reports),
            resources=Resources(cpu=1.0, gpu=0.0, at_once=at_once),
            store=str(Path(folder) / "store"),
            output=Path(folder),
            prune=Prune.OFF,
            learn=False,
        )
        run(sweep)
        return _lives(diary)


def _tune(name: str, trials: int, reports: int, *, at_once: int, reuse: bool) -> Lives:
    task = load_task(TASK)
    with tempfile.TemporaryDirectory() as folder:
        diary = Path(folder) / "diary"
        searcher, scheduler = method_named(name).build(Setting(task, Past((), Path(folder) / "none"), seed=0))
        told = {"diary": str(diary), "metric": task.metric, "reports": reports}
        tune.Tuner(
            tune.with_parameters(lambda config, told: train(told), told=told),
            param_space=to_tune(task.space),
            tune_config=tune.TuneConfig(
                metric=task.metric,
                mode=task.mode.value,
                num_samples=trials,
                search_alg=searcher,
                scheduler=scheduler,
                max_concurrent_trials=at_once,
                reuse_actors=reuse,
            ),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        ).fit()
        return _lives(diary)


def train(config: dict[str, Any]) -> None:
    """Takes a step and reports; writes down when the step was done, and when it reports for the last time."""
    import keras

    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    model.train_on_batch(np.zeros((8, 4), "float32"), np.zeros((8, 1), "float32"))
    begun = time.time()
    for left in reversed(range(config["reports"])):
        if not left:
            with Path(config["diary"]).open("a", encoding="utf-8") as diary:
                diary.write(json.dumps([begun, time.time()]) + "\n")
        tune.report({config["metric"]: 0.5})


def _lives(diary: Path) -> Lives:
    return sorted(tuple(json.loads(line)) for line in diary.read_text(encoding="utf-8").splitlines())


def _gaps(lives: Lives) -> list[float]:
    """Seconds from the end of each trial to the first step of the next."""
    return [after[0] - before[1] for before, after in pairwise(lives)]


def _per_second(lives: Lives, reports: int) -> float:
    took = max(end for _, end in lives) - min(begin for begin, _ in lives)
    return len(lives) * (reports - 1) / took
