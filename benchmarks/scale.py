"""Question: does the ten-thousandth trial of a sweep cost the driver more than the thousandth, in time or memory?

Command: ``python -m benchmarks scale --trials 10000 --out results``; half an hour.

Through the controller of a real local Ray: trials that report three scores and do nothing else, two at once, by
``metahp run``; and by Ray Tune alone with the same settings of Tune, which keeps every trial in memory. By tenths of
the sweep: milliseconds from one new trial to the next, and the most memory that the driver has had then.
"""

from __future__ import annotations

import logging
import os
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray import tune

from benchmarks.processes import local_ray
from benchmarks.provenance import about_this_run, line_about
from benchmarks.report import Rows, markdown, write_csv
from metahp.space import Categorical, Float, SearchSpace
from metahp.types import Mode
from metahp_cluster import Budget, Resources, Sweep, environment, run
from metahp_searchers.ray_space import to_tune

STEPS = 3
PARTS = 10
SPACE = SearchSpace({"x": Float(0.0, 1.0), "y": Float(1e-4, 1e-1, log=True), "z": Categorical(("a", "b", "c"))})

Starts = list[tuple[float, int]]
"""Seconds and bytes, for each trial."""

_starts: Starts = []  # of the one sweep of this process


class Meter(tune.Callback):
    """Notes when each trial started, and how much memory this process had then (Linux)."""

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        """Notes a start."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        _starts.append((time.perf_counter(), pages * resource.getpagesize()))


def run_scale(trials: int, out: Path, *, seed: int = 0) -> str:
    """Runs both sweeps, each in a process of its own; writes ``scale.md`` and ``.csv``.

    Args:
        trials: of each sweep, at least 20.
        out: directory of the results.
        seed: of the searcher.

    Returns:
        the table as Markdown.

    Raises:
        ValueError: too few trials to see anything.
    """
    if trials < 2 * PARTS:
        raise ValueError(f"scale needs at least {2 * PARTS} trials, got {trials}")
    found = {}
    for name, sweep in (("Ray Tune alone", _tune), ("metahp run", _metahp)):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:  # memory that is its own
            found[name] = process.submit(starts_of_a_sweep, sweep, trials, seed).result()
    rows = _by_parts(found)
    out.mkdir(parents=True, exist_ok=True)
    text = f"## {trials} trials\n\n{markdown(rows)}\n\n{line_about([about_this_run()])}"
    (out / "scale.md").write_text(text + "\n", encoding="utf-8")
    write_csv(out / "scale.csv", rows)
    return text


def starts_of_a_sweep(sweep: Callable[[int, int, Path], None], trials: int, seed: int) -> Starts:
    """When each trial of a sweep started, and the driver's memory by then."""
    os.environ.update({name: value for name, value in environment.DEFAULTS.items() if name.startswith("TUNE_")})
    os.environ["RAY_TUNE_CALLBACKS"] = f"{__name__}.{Meter.__name__}"  # Tune adds it to those of the sweep
    logging.getLogger("ray.tune").setLevel(logging.ERROR)  # it misses the files of each trial, which nobody asks for
    with local_ray(), tempfile.TemporaryDirectory() as folder:
        sweep(trials, seed, Path(folder))
    return _starts


def _tune(trials: int, seed: int, folder: Path) -> None:
    tune.Tuner(
        train,
        param_space=to_tune(SPACE),
        tune_config=tune.TuneConfig(
            metric="score", mode="max", num_samples=trials, max_concurrent_trials=2, reuse_actors=True
        ),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0),
    ).fit()


def _metahp(trials: int, seed: int, folder: Path) -> None:
    sweep = Sweep(
        name="scale",
        trainable=train,
        space=SPACE,
        metric="score",
        mode=Mode.MAX,
        budget=Budget(trials=trials, epochs=STEPS),
        resources=Resources(cpu=0.5, gpu=0.0, at_once=2),
        store=str(folder / "store"),
        output=folder,
        seed=seed,
    )
    run(sweep)


def train(config: dict[str, Any]) -> None:
    """Reports a curve that depends on the configuration, as if it had been recorded."""
    for step in range(1, STEPS + 1):
        tune.report({"score": 1.0 - (config["x"] - 0.3) ** 2 - 0.1 / step - abs(np.log10(config["y"]) + 2.0) / 10.0})


def _by_parts(found: dict[str, Starts]) -> Rows:
    """A line for each tenth: of each sweep the median of the times between two starts, the mean, the largest memory."""
    rows: Rows = [["trials", *(f"{name}: {said}" for name in found for said in ("ms to the next", "mean", "MB"))]]
    columns = [[_figures(starts, part) for part in _parts(starts)] for starts in found.values()]
    for part, *figures in zip(_parts(next(iter(found.values()))), *columns, strict=True):
        rows.append([f"{part[0]} to {part[-1]}", *(f"{figure:.0f}" for three in figures for figure in three)])
    return rows


def _parts(starts: Starts) -> list[NDArray[np.int64]]:
    return np.array_split(np.arange(1, len(starts)), PARTS)


def _figures(starts: Starts, part: NDArray[np.int64]) -> tuple[float, float, float]:
    seconds, memory = np.array(starts).T
    between = 1e3 * (seconds[part] - seconds[part - 1])
    return float(np.median(between)), float(between.mean()), float(memory[part].max() / 1e6)
