"""Question: how good are the methods after 0.5, 1, 2 and 4 full trainings' worth of epochs?

Command: ``python -m benchmarks replay --tasks lcbench --methods random,asha,asha3,tpe,portfolio,meta
--history other-tasks --seeds 5 --out results``. It prints a table and writes it, with pictures, into ``results``.
What is there already is not run again, so an interrupted run goes on where it was, and methods can be added later.
On two cores the command takes about 10 minutes, half of it for ``meta`` (a predictor is trained for each task).

Numbers to expect (20 LCBench tasks × 5 seeds, mean normalised regret ± standard error over tasks):

===============  ============  ============  ============  ============
method           @0.5          @1            @2            @4
===============  ============  ============  ============  ============
``random``       .374 ± .038   .331 ± .037   .300 ± .037   .252 ± .037
``asha``         .406 ± .042   .337 ± .040   .268 ± .037   .205 ± .035
``asha3``        .394 ± .042   .325 ± .039   .263 ± .036   .202 ± .034
``tpe+asha``     .404 ± .040   .338 ± .041   .287 ± .039   .249 ± .039
``portfolio``    .165 ± .034   .145 ± .030   .120 ± .026   .095 ± .020
===============  ============  ============  ============  ============

A prototype with another simulator, other random configurations and another portfolio measured, on the same tasks,
random .369 .329 .296 .236, ASHA with rungs 1, 3, 9, 27 .378 .316 .274 .189 and a portfolio from truncated sweeps .183
.138 .105 .081: the same within the spread. Ray's HyperBand equals random search here, since its first bracket trains
every trial in full and uses up the budget.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.cells import Cell, write_outcome
from benchmarks.history import Past, past_of
from benchmarks.methods.registry import Setting, method_named
from benchmarks.processes import in_processes, progress_bar
from benchmarks.provenance import about_this_run
from benchmarks.simulator import simulate
from benchmarks.tasks import Task, load_task, load_tasks


def run_replay(
    tasks: str,
    methods: Sequence[str],
    history: str,
    seeds: int,
    out: Path,
    *,
    jobs: int = 1,
    workers: int = 4,
    trainings: float = 4.0,
    again: bool = False,
) -> int:
    """Runs every cell whose file is not there yet.

    Args:
        tasks: a selection as for `benchmarks.tasks.load_tasks`.
        methods: names in the registry.
        history: one of `benchmarks.history.HISTORIES`.
        seeds: repetitions of each task and method.
        out: directory of the results.
        jobs: processes; each takes whole tasks, since the predictor is trained once for a task and its seeds.
        workers: simulated workers.
        trainings: the budget in full trainings' worth of steps.
        again: whether to run also those whose file is there.

    Returns:
        how many cells were run.

    Raises:
        ValueError: a task, a method or a history that does not exist.
        TaskDataMissingError: the data of the tasks are not beside the project.
    """
    batches = [
        [
            cell
            for cell in _cells(task.name, methods, history, seeds, workers, trainings)
            if again or not (out / cell.path).exists()
        ]
        for task in load_tasks(tasks)
    ]
    batches = [batch for batch in batches if batch]
    facts = about_this_run()
    with progress_bar() as progress:
        bar = progress.add_task("cells", total=sum(map(len, batches)))
        for done in in_processes(partial(run_batch, out=out, facts=facts), batches, jobs):
            progress.advance(bar, done)
    return sum(map(len, batches))


def _cells(
    task: str, methods: Sequence[str], history: str, seeds: int, workers: int, trainings: float
) -> Iterator[Cell]:
    for method in methods:
        past = history if method_named(method).learns else "none"
        for repetition in range(seeds):
            yield Cell(task, method, past, repetition, workers, trainings)


def run_batch(batch: Sequence[Cell], out: Path, facts: dict[str, Any]) -> int:
    """Runs cells of one task, which share their history; returns how many."""
    task = load_task(batch[0].task)
    with tempfile.TemporaryDirectory() as directory:
        pasts = {
            history: past_of(task, history, Path(directory) / history) for history in {cell.history for cell in batch}
        }
        for cell in batch:
            run_cell(cell, task, pasts[cell.history], out, facts)
    return len(batch)


def run_cell(cell: Cell, task: Task, past: Past, out: Path, facts: dict[str, Any]) -> None:
    """Runs one cell and writes its file."""
    method = method_named(cell.method)
    began = perf_counter()
    searcher, scheduler = method.build(Setting(task, past, cell.seed, cell.workers))
    before_s = perf_counter() - began + (past.train() if method.trains and past.sweeps else 0.0)
    steps = round(cell.trainings * task.max_step)
    replay = simulate(task, searcher, scheduler, workers=cell.workers, max_reports=steps, seed=cell.seed)
    write_outcome(out, cell, task, replay, {**facts, "before_s": before_s})
