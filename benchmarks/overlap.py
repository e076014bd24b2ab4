"""Question: what is a history worth whose search spaces only overlap with the new one?

Command: ``python -m benchmarks.overlap --out results``; then ``python -m benchmarks report --out results``.

The past sweeps of LCBench are run in another space: two hyperparameters fixed that the new sweep searches, learning
rate and batch size in narrower ranges, and one hyperparameter that the new sweep does not have and that does nothing.
The cells stand beside those of `replay` as the method ``meta-overlap``.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from ray.tune.schedulers import ASHAScheduler

from benchmarks.cells import Cell, write_outcome
from benchmarks.history import PAST_REPORTS, Past, history_of
from benchmarks.methods.random_search import RandomSearch
from benchmarks.methods.registry import Setting, method_named
from benchmarks.processes import quiet
from benchmarks.provenance import about_this_run
from benchmarks.simulator import simulate
from benchmarks.tasks import Curve, Task, load_tasks
from metahp.space import Float, Int, SearchSpace
from metahp.types import Config, SweepHistory

FIXED = {"momentum": 0.9, "max_dropout": 0.2}
IDLE = "idle"
PAST_SPACE = SearchSpace(
    {
        "batch_size": Int(16, 128, log=True),
        "learning_rate": Float(1e-3, 0.1, log=True),
        "weight_decay": Float(1e-5, 0.1),
        "num_layers": Int(1, 5),
        "max_units": Int(64, 1024, log=True),
        IDLE: Float(0.0, 1.0),
    }
)


def earlier(task: Task) -> Task:
    """The task as it was searched in `PAST_SPACE`."""

    def source(configs: Sequence[Config]) -> Sequence[Curve]:
        return task.source([FIXED | {key: value for key, value in config.items() if key != IDLE} for config in configs])

    return replace(task, space=PAST_SPACE, source=source)


def past_sweep(task: Task) -> SweepHistory:
    """What a random search with ASHA once saw of it."""
    seed = zlib.crc32(f"overlap/{task.name}".encode())
    scheduler = ASHAScheduler(max_t=task.max_step, grace_period=1, reduction_factor=3)
    return history_of(task, simulate(task, RandomSearch(seed), scheduler, max_reports=PAST_REPORTS, seed=seed))


def run_overlap(tasks: str, seeds: int, out: Path) -> None:
    """Runs the cells that are not there yet.

    Args:
        tasks: a selection of LCBench as for `benchmarks.tasks.load_tasks`.
        seeds: repetitions of every task.
        out: directory of the results.
    """
    sweeps = {task.name: past_sweep(earlier(task)) for task in load_tasks("lcbench")}
    facts = about_this_run()
    for task in load_tasks(tasks):
        cells = [Cell(task.name, "meta-overlap", "other-tasks", repetition) for repetition in range(seeds)]
        missing = [cell for cell in cells if not (out / cell.path).exists()]
        with tempfile.TemporaryDirectory() as directory:
            past = Past(tuple(own for name, own in sweeps.items() if name != task.name), Path(directory))
            for cell in missing:
                _run(cell, task, past, out, {**facts, "before_s": past.train()})


def _run(cell: Cell, task: Task, past: Past, out: Path, facts: dict[str, object]) -> None:
    searcher, scheduler = method_named("meta").build(Setting(task, past, cell.seed))
    reports = round(cell.trainings * task.max_step)
    replay = simulate(task, searcher, scheduler, workers=cell.workers, max_reports=reports, seed=cell.seed)
    write_outcome(out, cell, task, replay, facts)


def main(
    tasks: Annotated[str, typer.Option(help="LCBench, or single tasks of it, separated by commas.")] = "lcbench",
    seeds: Annotated[int, typer.Option(min=1, help="Repetitions of every task.")] = 1,
    out: Annotated[str, typer.Option(help="Directory of the results; what is there is not run again.")] = "results",
) -> None:
    """LCBench, history of the other tasks from an overlapping space."""
    quiet()
    run_overlap(tasks, seeds, Path(out))


if __name__ == "__main__":
    typer.run(main)
