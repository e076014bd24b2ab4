"""Question: is it never worse than ASHA, however few or many trials and epochs a sweep has?

Command: ``python -m benchmarks shapes --tasks lcbench,taskset --out results``; half an hour on two cores, nearly all of
it for the sweeps of 500 trials, which only every fourth task has.

Sweeps without a store and with four workers, as ``num_samples`` and a number of epochs make them: 5 trials, 500 trials,
trainings of 1 epoch, trainings of 100. Recorded curves are stretched to that many steps; with a single one nothing can
be stopped, and a sweep is a question of proposals alone. ASHA reduces by three, as in the other tables.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np

from benchmarks.history import past_of
from benchmarks.methods.registry import Setting, method_named
from benchmarks.processes import with_progress
from benchmarks.provenance import about_this_run, line_about
from benchmarks.report import Rows, markdown, with_error, with_interval, write_csv
from benchmarks.simulator import simulate
from benchmarks.tasks import Curve, Task, load_task, load_tasks
from metahp.types import Config, FloatArray

METHODS = ("asha3", "meta")


@dataclass(frozen=True, slots=True)
class Shape:
    """How large a sweep is.

    Attributes:
        trials: how many.
        steps: of a full training; None for as many as were recorded.
        every: of how many tasks one is swept.
    """

    trials: int
    steps: int | None = None
    every: int = 1

    def __str__(self) -> str:
        return f"{self.trials} trials of {'the recorded' if self.steps is None else self.steps} epochs"


SHAPES = (Shape(5), Shape(40, 1), Shape(40, 100), Shape(500, every=4))

Ended = tuple[float, float]
"""Normalised regret of a sweep's best, and its epochs in full trainings."""


def run_shapes(tasks: str, out: Path, *, seeds: int = 1, jobs: int = 1, shapes: Sequence[Shape] = SHAPES) -> str:
    """Sweeps every task in every shape by every method; writes ``shapes.md`` and ``.csv``.

    Args:
        tasks: a selection as for `benchmarks.tasks.load_tasks`.
        out: directory of the results.
        seeds: repetitions.
        jobs: processes.
        shapes: of the sweeps.

    Returns:
        the table as Markdown.

    Raises:
        ValueError: a task that does not exist.
        TaskDataMissingError: the data of the tasks are not beside the project.
    """
    names = [task.name for task in load_tasks(tasks)]
    cells = [(shape, name) for shape in shapes for name in names[:: shape.every]]
    ended = dict(with_progress("tasks", partial(_swept, seeds=seeds), cells, jobs))
    rows: Rows = [["sweep", "tasks", *(f"{m}: {what}" for m in METHODS for what in ("regret", "epochs")), "difference"]]
    rows += [_row(shape, np.array([ended[cell] for cell in cells if cell[0] == shape])) for shape in shapes]
    about = f"{seeds} seeds; ± is the standard error over tasks, epochs are in full trainings, in brackets 95 %."
    text = f"## Shapes of sweeps\n\n{about}\n\n{markdown(rows)}\n\n{line_about([about_this_run()])}"
    out.mkdir(parents=True, exist_ok=True)
    (out / "shapes.md").write_text(text + "\n", encoding="utf-8")
    write_csv(out / "shapes.csv", rows)
    return text


def stretched(task: Task, steps: int) -> Task:
    """The task with its curves told in so many steps, each with the score of the recorded step at or after it."""

    def source(configs: Sequence[Config]) -> list[Curve]:
        return [_stretched(curve, task.max_step, steps) for curve in task.source(configs)]

    return replace(task, max_step=steps, source=source)


def _stretched(curve: Curve, recorded: int, steps: int) -> Curve:
    count = max(1, round(len(curve) / recorded * steps)) if len(curve) else 0
    reached = np.arange(1, count + 1) / steps * recorded
    place = np.minimum(np.ceil(reached - 1e-9).astype(int), len(curve)) - 1
    seconds = np.interp(reached, np.arange(len(curve) + 1), [0.0, *curve.seconds])
    seconds += np.maximum(reached - len(curve), 0.0)  # of a training that died between two steps
    return Curve(curve.scores[place], seconds, curve.fails)


def _swept(cell: tuple[Shape, str], *, seeds: int) -> tuple[tuple[Shape, str], list[list[Ended]]]:
    shape, name = cell
    task = load_task(name) if shape.steps is None else stretched(load_task(name), shape.steps)
    ended: list[list[Ended]] = [[] for _ in METHODS]
    for (place, method), repetition in product(enumerate(METHODS), range(seeds)):
        ended[place].append(_sweep(task, method, shape, zlib.crc32(f"shapes/{name}/{repetition}".encode())))
    return cell, ended


def _sweep(task: Task, method: str, shape: Shape, seed: int) -> Ended:
    with tempfile.TemporaryDirectory() as directory:
        setting = Setting(task, past_of(task, "none", Path(directory)), seed)
        replay = simulate(task, *method_named(method).build(setting), num_samples=shape.trials, seed=seed)
    scores = np.array([event.score for event in replay.reports])
    return float(task.reference.best_so_far(scores)[-1]), len(scores) / task.max_step


def _row(shape: Shape, ended: FloatArray) -> list[str]:
    """Of ``(tasks, methods, seeds, 2)`` numbers."""
    regrets, epochs = ended[..., 0], ended[..., 1]
    said = [
        text
        for place in range(len(METHODS))
        for text in (with_error(regrets[:, place].mean(axis=1)), f"{epochs[:, place].mean():.1f}")
    ]
    return [str(shape), str(len(ended)), *said, with_interval(regrets[:, 1] - regrets[:, 0])]
