"""Question: for what share of a sweep do workers wait, and what becomes of trials that are shorter than their start?

Command: ``python -m benchmarks idle --out results``; 35 minutes, most of which is slept.

On a real local Ray, trials that sleep and report once; each worker writes down when it slept. ``metahp run`` with an
empty store, a searcher that thinks and every result on the disk, against plain Ray Tune that keeps its workers:

* 80 trials of 0.2 seconds, 8 at once: Tune gives a waiting trial the worker that becomes free and cancels the one that
  was starting, so that few workers ever come up: how many is luck, so both ways are run seven times, in turn. (Where
  each worker's first trial is long, say because it imports Keras, they do come up, and both ways take as long.)
* 200 trials of 5 to 10 seconds, 2 at once.

Counted from the first trial's start to the last one's end, so the start of the first workers is left out.
"""

from __future__ import annotations

import json
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

from ray import tune

from benchmarks.processes import local_ray
from benchmarks.provenance import about_this_run, line_about
from benchmarks.report import Rows, markdown, with_range, write_csv
from metahp.space import Float, SearchSpace
from metahp.types import Mode
from metahp_cluster import Budget, Resources, Sweep, run

METRIC = "score"


@dataclass(frozen=True, slots=True)
class Load:
    """What the workers are given.

    Attributes:
        trials: how many.
        at_once: workers.
        seconds: the shortest and the longest trial.
        repeats: how often it is run.
    """

    trials: int
    at_once: int
    seconds: tuple[float, float]
    repeats: int = 1

    @property
    def told(self) -> str:
        """In words."""
        low, high = self.seconds
        return f"{self.trials} trials of {low:g}{f' to {high:g}' if high > low else ''} s, {self.at_once} at once"


LOADS = (Load(80, 8, (0.2, 0.2), repeats=7), Load(200, 2, (5.0, 10.0)))


@dataclass(frozen=True, slots=True)
class Run:
    """What came of a load.

    Attributes:
        workers: how many were used.
        seconds: from the first start to the last end.
        idle: the share of that in which workers waited.
    """

    workers: int
    seconds: float
    idle: float


def run_idle(out: Path, loads: tuple[Load, ...] = LOADS) -> str:
    """Runs both ways of each load in turn, each on a Ray of its own; writes ``idle.md`` and ``.csv``.

    Args:
        out: directory of the results.
        loads: what the workers are given.

    Returns:
        the table as Markdown.
    """
    rows: Rows = [["trials", "run by", "workers", "seconds", "idle", "times faster, each pair"]]
    for load in loads:
        pairs = [(_measured(_metahp, load), _measured(_tune, load)) for _ in range(load.repeats)]
        faster = with_range([theirs.seconds / ours.seconds for ours, theirs in pairs], ".1f")
        rows.append([load.told, "metahp run", *_row([ours for ours, _ in pairs]), faster])
        rows.append([load.told, "Ray Tune, workers kept", *_row([theirs for _, theirs in pairs]), "–"])
    out.mkdir(parents=True, exist_ok=True)
    text = f"## Idle workers\n\n{markdown(rows)}\n\n{line_about([about_this_run()])}"
    (out / "idle.md").write_text(text + "\n", encoding="utf-8")
    write_csv(out / "idle.csv", rows)
    return text


def _row(runs: Sequence[Run]) -> list[str]:
    columns = zip(*(astuple(run) for run in runs), strict=True)
    return [with_range(column, form) for column, form in zip(columns, (".0f", ".1f", ".1%"), strict=True)]


def _measured(sweep: Callable[[Load, Path], None], load: Load) -> Run:
    with tempfile.TemporaryDirectory() as folder, local_ray():
        sweep(load, Path(folder))
        slept = [json.loads(line) for line in (Path(folder) / "diary").read_text(encoding="utf-8").splitlines()]
    workers = {worker for worker, _, _ in slept}
    took = max(end for _, _, end in slept) - min(begin for _, begin, _ in slept)
    busy = sum(end - begin for _, begin, end in slept)
    return Run(len(workers), took, 1.0 - busy / (took * load.at_once))


def _metahp(load: Load, folder: Path) -> None:
    sweep = Sweep(
        name="idle",
        trainable=train,
        space=SearchSpace({"x": Float(0.0, 1.0), "folder": str(folder), "seconds": list(load.seconds)}),
        metric=METRIC,
        mode=Mode.MAX,
        budget=Budget(trials=load.trials, epochs=1),
        resources=Resources(cpu=1.0 / load.at_once, gpu=0.0, at_once=load.at_once),
        store=str(folder / "store"),
        output=folder,
    )
    run(sweep)


def _tune(load: Load, folder: Path) -> None:
    tune.Tuner(
        tune.with_resources(train, {"CPU": 1.0 / load.at_once}),
        param_space={"x": tune.uniform(0.0, 1.0), "folder": str(folder), "seconds": list(load.seconds)},
        tune_config=tune.TuneConfig(
            metric=METRIC, mode="max", num_samples=load.trials, max_concurrent_trials=load.at_once, reuse_actors=True
        ),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0),
    ).fit()


def train(config: dict[str, Any]) -> None:
    """Sleeps, and writes down who slept, from when to when."""
    import os

    begin = time.time()
    time.sleep(random.Random(config["x"]).uniform(*config["seconds"]))
    with (Path(config["folder"]) / "diary").open("a", encoding="utf-8") as diary:
        diary.write(json.dumps([os.getpid(), begin, time.time()]) + "\n")
    tune.report({METRIC: config["x"]})
