"""Question: does the ten-thousandth trial of a sweep cost the driver more than the thousandth, in time or memory?

Command: ``python -m benchmarks scale --trials 10000 --out results``.

Through the controller of a real local Ray, with the store: trials that report three scores and do nothing else, two at
once. By tenths of the sweep: milliseconds from one new trial to the next, and the most memory that the driver has had.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from ray import tune

from benchmarks.processes import local_ray
from benchmarks.provenance import about_this_run, line_about
from benchmarks.report import Rows, markdown, write_csv
from metahp_searchers import MetaScheduler, MetaSearch

STEPS = 3
PARTS = 10
SPACE = {"x": tune.uniform(0.0, 1.0), "y": tune.loguniform(1e-4, 1e-1), "z": tune.choice(["a", "b", "c"])}


class Meter(tune.Callback):
    """Notes when each trial started, and how much memory this process has had at most (Linux).

    Attributes:
        starts: ``(seconds, bytes)`` of each.
    """

    def __init__(self) -> None:
        self.starts: list[tuple[float, int]] = []

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Notes a start."""
        self.starts.append((time.perf_counter(), 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))


def run_scale(trials: int, out: Path, *, seed: int = 0) -> str:
    """Runs one sweep; writes ``scale.md`` and ``.csv``.

    Args:
        trials: of the sweep, at least 20.
        out: directory of the results.
        seed: of the searcher.

    Returns:
        the table as Markdown.

    Raises:
        ValueError: too few trials to see anything.
    """
    if trials < 2 * PARTS:
        raise ValueError(f"scale needs at least {2 * PARTS} trials, got {trials}")
    meter = Meter()
    with local_ray(), tempfile.TemporaryDirectory() as folder:
        search = MetaSearch(Path(folder) / "store", max_t=STEPS, seed=seed)
        tune.Tuner(
            train,
            param_space=SPACE,
            tune_config=tune.TuneConfig(
                metric="score",
                mode="max",
                num_samples=trials,
                search_alg=search,
                scheduler=MetaScheduler(search),
                max_concurrent_trials=2,
                reuse_actors=True,
            ),
            run_config=tune.RunConfig(storage_path=folder, callbacks=[meter], verbose=0),
        ).fit()
    rows = _by_parts(meter.starts)
    out.mkdir(parents=True, exist_ok=True)
    text = f"## {trials} trials\n\n{markdown(rows)}\n\n{line_about([about_this_run()])}"
    (out / "scale.md").write_text(text + "\n", encoding="utf-8")
    write_csv(out / "scale.csv", rows)
    return text


def train(config: dict[str, Any]) -> None:
    """Reports a curve that depends on the configuration, as if it had been recorded."""
    for step in range(1, STEPS + 1):
        tune.report({"score": 1.0 - (config["x"] - 0.3) ** 2 - 0.1 / step - abs(np.log10(config["y"]) + 2.0) / 10.0})


def _by_parts(starts: list[tuple[float, int]]) -> Rows:
    """A line for each tenth: the median of the times between two starts, the mean, and the largest memory."""
    seconds, memory = np.array(starts).T
    rows: Rows = [["trials", "ms to the next trial, median", "mean", "driver's memory, MB"]]
    for part in np.array_split(np.arange(1, len(starts)), PARTS):
        between = 1e3 * (seconds[part] - seconds[part - 1])
        figures = (np.median(between), between.mean(), memory[part].max() / 1e6)
        rows.append([f"{part[0]} to {part[-1]}", *(f"{figure:.0f}" for figure in figures)])
    return rows
