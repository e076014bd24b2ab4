"""Question: how long does a worker wait for its next trial, and how many results a second does Ray's driver take?

Command: ``python -m benchmarks turnover --methods random,meta --out results``; a minute and a half.

On a real local Ray, trials that do nothing but import Keras once and report. One after the other, with workers that are
kept for the next trial or started for each: the seconds from the last report of a trial to the first one of the next.
And as many at a time as there are cores: reports a second.
"""

from __future__ import annotations

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
from benchmarks.report import Rows, markdown, write_csv
from benchmarks.tasks import load_task
from metahp_searchers.ray_space import to_tune

TASK = "synthetic-plain/0"


def run_turnover(methods: Sequence[str], out: Path, *, trials: int = 6, reports: int = 400) -> str:
    """Times each method on a Ray of its own; writes ``turnover.md`` and ``.csv``.

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
    rows: Rows = [["method", "s to the next trial, worker kept", "worker started anew", "results/s"]]
    for name in methods:
        with local_ray():
            kept, fresh = (_gaps(_run(name, trials, 2, at_once=1, reuse=reuse)) for reuse in (True, False))
            speed = _per_second(_run(name, 2, reports, at_once=os.cpu_count() or 1, reuse=True))
        rows.append([name, _spread(kept), _spread(fresh), f"{speed:.0f}"])
    out.mkdir(parents=True, exist_ok=True)
    about = line_about([about_this_run()])
    text = f"## Turnover\n\nMedian and range of {trials - 1} changes.\n\n{markdown(rows)}\n\n{about}"
    (out / "turnover.md").write_text(text + "\n", encoding="utf-8")
    write_csv(out / "turnover.csv", rows)
    return text


def _run(name: str, trials: int, reports: int, *, at_once: int, reuse: bool) -> list[list[float]]:
    """The times at which each trial reported, in the order of their first reports."""
    task, clock = load_task(TASK), Clock()
    with tempfile.TemporaryDirectory() as folder:
        searcher, scheduler = method_named(name).build(Setting(task, Past((), Path(folder) / "none"), seed=0))
        tune.Tuner(
            tune.with_parameters(train, metric=task.metric, reports=reports),
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
            run_config=tune.RunConfig(storage_path=folder, stop=clock, verbose=0),
        ).fit()
    return list(clock.times.values())


class Clock(tune.Stopper):
    """Notes when each trial reported, by the worker's clock; stops nothing.

    Attributes:
        times: by trial id.
    """

    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Notes a result."""
        self.times.setdefault(trial_id, []).append(result["at"])
        return False

    def stop_all(self) -> bool:
        """Never."""
        return False


def train(config: dict[str, Any], metric: str, reports: int) -> None:
    """Reports, and nothing else; but Keras is there, as in a real training."""
    import keras

    for _ in range(reports):
        tune.report({metric: 0.5, "keras": keras.__version__, "at": time.time()})


def _gaps(times: Sequence[Sequence[float]]) -> list[float]:
    """Seconds from the end of each trial to the first report of the next."""
    return [after[0] - before[-1] for before, after in pairwise(times)]


def _per_second(times: Sequence[Sequence[float]]) -> float:
    every = np.concatenate(times)
    return float((len(every) - 1) / np.ptp(every))


def _spread(gaps: Sequence[float]) -> str:
    return f"{np.median(gaps):.2f} ({min(gaps):.2f} – {max(gaps):.2f})"
